/** A camera of Chromium that films a QR code: a file in place of a device. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { qrPath } from '../../web/qr.ts';

const [width, height] = [640, 480];
/** Values of black, white and grey in limited range (ITU-R BT.601). */
const [dark, light, grey] = [16, 235, 128];

/** A camera. Disposing it removes its file. */
export interface FakeCamera extends AsyncDisposable {
  /** Arguments of a Chromium that has this camera only. */
  flags: readonly string[];
  /** Holds the QR code of a text in front of the camera, before it is started. */
  show(text: string): Promise<void>;
}

/** Creates a camera in front of a white wall. */
export async function createFakeCamera(): Promise<FakeCamera> {
  const folder = await mkdtemp(join(tmpdir(), 'vyry-camera-'));
  const file = join(folder, 'film.y4m');
  await writeFile(file, filmOf(Buffer.alloc(width * height, light)));
  return {
    flags: ['--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${file}`],
    show: (text) => writeFile(file, filmOf(pictureOf(text))),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** Returns a film of one picture, which Chromium repeats (YUV4MPEG2, planes of 4:2:0). */
function filmOf(brightness: Buffer): Buffer {
  const header = `YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420jpeg\nFRAME\n`;
  return Buffer.concat([Buffer.from(header), brightness, Buffer.alloc((width * height) / 2, grey)]);
}

/** Returns the brightness of each point of a picture with a QR code in its middle. */
function pictureOf(text: string): Buffer {
  const { size, path } = qrPath(text);
  const scale = Math.floor(height / size);
  const [left, top] = [width, height].map((length) => Math.floor((length - size * scale) / 2));
  const picture = Buffer.alloc(width * height, light);
  for (const [, ...numbers] of path.matchAll(/M(\d+) (\d+)h(\d+)v1/g)) {
    const [x = 0, y = 0, run = 0] = numbers.map((number) => Number(number) * scale);
    for (let line = y; line < y + scale; line += 1) {
      const start = ((top ?? 0) + line) * width + (left ?? 0) + x;
      picture.fill(dark, start, start + run);
    }
  }
  return picture;
}
