/** How busy the machine is: what the tests cost, and whether a test that failed was starved. */
import { cpus } from 'node:os';

/** A reading of the machine, from now on. */
export interface Usage {
  /** Since the reading began. */
  seconds(): number;
  /** Processor time that everything on the machine used since then, in seconds. */
  cpuSeconds(): number;
  /** Part of the processors that was idle in the last so many milliseconds, 0 to 1; in all the time without. */
  idle(ms?: number): number;
  /** Stops taking samples. */
  stop(): void;
}

interface Sample {
  at: number;
  busyMs: number;
  idleMs: number;
}

const sampleMs = 1000;

/** Begins to read. */
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
