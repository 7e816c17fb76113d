import { expect, it } from 'vitest';
import { neighbour } from './tabBar.ts';

it.each([
  ['ArrowRight', 0, 1], ['ArrowRight', 2, 0], ['ArrowLeft', 2, 1], ['ArrowLeft', 0, 2], ['Home', 1, 0], ['End', 0, 2], ['ArrowUp', 1, -1], ['a', 0, -1],
])('%s on tab %i of three leads to %i', (key, from, to) => {
  expect(neighbour(key, from, 3)).toBe(to);
});
