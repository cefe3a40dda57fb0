/** Measures the load of the machine: the cost of the tests, and whether a failed test was starved. */
import { cpus } from 'node:os';

/** A measurement that has started. */
export interface Usage {
  /** Seconds since the measurement started. */
  seconds(): number;
  /** Processor time, in seconds, used by all processes of the machine since then. */
  cpuSeconds(): number;
  /** Idle share of the processors in the last `ms` milliseconds, 0 to 1; without `ms`, since the start. */
  idle(ms?: number): number;
  /** Stops sampling. */
  stop(): void;
}

interface Sample {
  at: number;
  busyMs: number;
  idleMs: number;
}

const sampleMs = 1000;

/** Starts a measurement. */
export function readUsage(): Usage {
  const first = sample();
  const samples = [first];
  const timer = setInterval(() => samples.push(sample()), sampleMs).unref();
  return {
    seconds: () => (performance.now() - first.at) / 1000,
    cpuSeconds: () => (sample().busyMs - first.busyMs) / 1000,
    idle(ms) {
      const now = sample();
      const from = ms === undefined ? first : (samples.findLast(({ at }) => at <= now.at - ms) ?? first);
      const idleMs = now.idleMs - from.idleMs;
      const allMs = idleMs + now.busyMs - from.busyMs;
      return allMs === 0 ? 1 : idleMs / allMs;
    },
    stop: () => clearInterval(timer),
  };
}

function sample(): Sample {
  const times = cpus().map((cpu) => cpu.times);
  const idleMs = times.reduce((sum, { idle }) => sum + idle, 0);
  const allMs = times.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
  return { at: performance.now(), busyMs: allMs - idleMs, idleMs };
}
