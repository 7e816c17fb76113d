// Draws the extension's icon and encodes it as PNG (RFC 2083): no binary lies in the repository. A flower box under glass, with a prompt.
import { deflateSync } from 'node:zlib';

/** Distance from (x, y) to a rounded rectangle around (cx, cy); negative inside. */
const box = (x, y, cx, cy, width, height, radius) => {
  const dx = Math.abs(x - cx) - width / 2 + radius;
  const dy = Math.abs(y - cy) - height / 2 + radius;
  return Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - radius;
};

/** Distance to a line from (ax, ay) to (bx, by) of that width with round ends. */
const line = (x, y, ax, ay, bx, by, width) => {
  const t = Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)));
  return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)) - width / 2;
};

/** What is drawn, back to front, in units of 1/128 of the side: a distance function and a colour. */
const shapes = [
  [(x, y) => box(x, y, 64, 64, 120, 120, 26), [23, 32, 42]],
  [(x, y) => box(x, y, 64, 60, 88, 84, 16), [62, 180, 137]],
  [(x, y) => box(x, y, 64, 60, 78, 74, 12), [16, 24, 32]],
  [(x, y) => box(x, y, 64, 100, 96, 14, 7), [146, 98, 57]],
  [(x, y) => line(x, y, 40, 44, 56, 58, 8), [120, 220, 170]],
  [(x, y) => line(x, y, 56, 58, 40, 72, 8), [120, 220, 170]],
  [(x, y) => line(x, y, 66, 74, 88, 74, 8), [240, 240, 240]],
];

/** The icon as a PNG file, RGBA, `side` pixels square. */
export function iconPng(side) {
  const rows = Buffer.alloc(side * (side * 4 + 1)); // each row begins with filter type 0
  for (let py = 0; py < side; py++) {
    for (let px = 0; px < side; px++) {
      const pixel = [0, 0, 0, 0];
      for (const [distance, color] of shapes) {
        // Half a pixel of distance on either side of the edge smooths it.
        const cover = Math.min(1, Math.max(0, 0.5 - distance(((px + 0.5) * 128) / side, ((py + 0.5) * 128) / side) * (side / 128)));
        const alpha = cover + pixel[3] * (1 - cover);
        if (alpha > 0) for (let c = 0; c < 3; c++) pixel[c] = (color[c] * cover + pixel[c] * pixel[3] * (1 - cover)) / alpha;
        pixel[3] = alpha;
      }
      const at = py * (side * 4 + 1) + 1 + px * 4;
      for (let c = 0; c < 3; c++) rows[at + c] = Math.round(pixel[c]);
      rows[at + 3] = Math.round(pixel[3] * 255);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits, RGBA
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk('IHDR', header), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc(body) >>> 0);
  return Buffer.concat([length, body, sum]);
}

/** CRC-32 as PNG wants it; zlib's own is missing in the first versions of Node 20. */
function crc(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
  }
  return ~c;
}
