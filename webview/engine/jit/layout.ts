/**
 * The order in which a region's blocks are written, and its loops: each loop is one WebAssembly `loop` with its blocks in one stretch, so that
 * branches go forward or to the head of a loop around them. What enters a loop elsewhere than at its head goes through the head.
 */
import type { Block } from './discover.ts';

export class Loop {
  /** The head is the first block of the first item, which may be a loop with the same head. */
  readonly items: readonly Item[];
  /** Blocks in it. */
  readonly blocks: ReadonlySet<Block>;

  constructor(items: readonly Item[]) {
    this.items = items;
    this.blocks = new Set(items.flatMap(blocksOf));
  }

  get head(): Block {
    const [first] = this.items as [Item];
    return first instanceof Loop ? first.head : first;
  }
}

export type Item = Block | Loop;

export function blocksOf(item: Item): Block[] {
  return item instanceof Loop ? item.items.flatMap(blocksOf) : [item];
}

/** All loops among `items`, outer ones before those in them. */
export function loopsOf(items: readonly Item[]): Loop[] {
  return items.flatMap(item => (item instanceof Loop ? [item, ...loopsOf(item.items)] : []));
}

/** Where control goes from a block inside of the region. */
export type Edges = (block: Block) => readonly Block[];

/** Nests `blocks`, which come in reverse postorder. */
export function layOut(blocks: readonly Block[], edges: Edges): Item[] {
  return components(blocks, edges).map(component => {
    const [head] = component as [Block];
    if (component.length === 1 && !edges(head).includes(head)) return head;
    return nest(component, edges);
  });
}

/** More branches that lead back to one head are ways through one loop. */
const mostBranchesBack = 2;

/**
 * A loop. Where two branches lead back to its head, what only one of them goes through is an inner loop: a region begins where most time is
 * spent, which makes the head of an inner loop the head of those around it.
 */
function nest(loop: readonly Block[], edges: Edges): Loop {
  const [head] = loop as [Block];
  const last = loop.filter(block => edges(block).includes(head));
  const bodies = last.includes(head) ? [new Set([head])] : last.map(block => bodyOf(head, block, loop, edges));
  const inner = bodies.reduce((least, body) => (body.size < least.size ? body : least));
  const rest = loop.filter(block => !inner.has(block));
  if (rest.length === 0 || bodies.length > mostBranchesBack) return new Loop([head, ...layOut(loop.slice(1), edges)]);
  return new Loop([nest(loop.filter(block => inner.has(block)), edges), ...layOut(rest, edges)]);
}

/** Blocks of a loop that lead to `last` without going through the head, and the head. */
function bodyOf(head: Block, last: Block, loop: readonly Block[], edges: Edges): Set<Block> {
  const body = new Set([head, last]);
  for (let size = 0; size < body.size;) {
    size = body.size;
    for (const block of loop) if (!body.has(block) && edges(block).some(next => next !== head && body.has(next))) body.add(block);
  }
  return body;
}

/** Strongly connected components of the graph that `blocks` are, in topological order, each in the order of `blocks` (R. Tarjan, 1972). */
function components(blocks: readonly Block[], edges: Edges): Block[][] {
  const position = new Map(blocks.map((block, i) => [block, i]));
  const index = new Map<Block, number>(), low = new Map<Block, number>(), stack: Block[] = [], onStack = new Set<Block>();
  const found: Block[][] = [];
  const visit = (block: Block): void => {
    const own = index.size;
    index.set(block, own);
    low.set(block, own);
    stack.push(block);
    onStack.add(block);
    for (const next of edges(block)) {
      if (!position.has(next)) continue;
      if (!index.has(next)) {
        visit(next);
        low.set(block, Math.min(low.get(block)!, low.get(next)!));
      } else if (onStack.has(next)) low.set(block, Math.min(low.get(block)!, index.get(next)!));
    }
    if (low.get(block) !== own) return;
    const component = stack.splice(stack.indexOf(block));
    for (const member of component) onStack.delete(member);
    found.push(component.sort((a, b) => position.get(a)! - position.get(b)!));
  };
  for (const block of blocks) if (!index.has(block)) visit(block);
  return found.reverse();
}
