import { expect, it } from 'vitest';
import { opaque } from './color.ts';

it.each([
  ['#ea5c0055', '#1f1f1f', '#633315'], ['#9E6A03', '#1f1f1f', '#9e6a03'], ['#f008', '#fff', '#ff7777'], ['rgba(255, 0, 0, 0.5)', '#000000', '#800000'],
  ['rgb(1 2 3 / 1)', '#ffffff', '#010203'], [' #abc ', '#000', '#aabbcc'],
])('lays %s over %s: %s', (color, background, result) => {
  expect(opaque(color, background)).toBe(result);
});

it.each(['', 'red', '#12345', 'rgb(1, 2)', 'rgb(10%, 0, 0)', 'var(--x)'])('does not know %s', color => {
  expect(opaque(color, '#000000')).toBeUndefined();
  expect(opaque('#000000', color)).toBeUndefined();
});
