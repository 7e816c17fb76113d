/** CSS colours as VS Code writes them: #RGB, #RGBA, #RRGGBB, #RRGGBBAA, rgb(...) and rgba(...). */

type Channels = readonly [red: number, green: number, blue: number, alpha: number];

/** `color` laid over `background`, as #RRGGBB; undefined if either is written otherwise. A background's own transparency is left out. */
export function opaque(color: string, background: string): string | undefined {
  const over = parse(color);
  const under = parse(background);
  if (!over || !under) return undefined;
  const alpha = over[3];
  const hex = [0, 1, 2].map(i => Math.round(over[i]! * alpha + under[i]! * (1 - alpha)).toString(16).padStart(2, '0'));
  return `#${hex.join('')}`;
}

function parse(color: string): Channels | undefined {
  const hex = /^#([\da-f]{3,8})$/i.exec(color.trim())?.[1];
  if (hex !== undefined && hex.length !== 5 && hex.length !== 7) {
    const digits = hex.length <= 4 ? hex.replace(/./g, '$&$&') : hex;
    const byte = (at: number) => parseInt(digits.slice(at, at + 2), 16);
    return [byte(0), byte(2), byte(4), digits.length === 8 ? byte(6) / 255 : 1];
  }
  const parts = /^rgba?\(([^)]*)\)$/i.exec(color.trim())?.[1]?.split(/[\s,/]+/).filter(part => part !== '').map(Number);
  if (!parts || parts.length < 3 || parts.length > 4 || parts.some(part => Number.isNaN(part))) return undefined;
  return [parts[0]!, parts[1]!, parts[2]!, parts[3] ?? 1];
}
