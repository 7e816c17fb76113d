/** In which order the nodes of a tree are laid out. */
import { findNode, type DirectoryNode, type TreeNode } from './tree.ts';

/** All nodes of a tree, each once; the first `bootCount` are those that a boot uses. */
export interface LayoutOrder { readonly nodes: readonly TreeNode[]; readonly bootCount: number }

/** What is used, as absolute paths in order of use: by a boot to the prompt, and by common programs after it. */
export interface UseOrder { readonly boot: readonly string[]; readonly later: readonly string[] }

/**
 * The nodes in `order` (unknown paths left out), each after the directories that lead to it, symlinks not followed; then all other
 * directories, so that walking the tree touches few chunks; then everything else by path.
 */
export function layoutOrder(root: DirectoryNode, order: UseOrder): LayoutOrder {
  const nodes = new Set<TreeNode>();
  addUsed(root, order.boot, nodes);
  const bootCount = nodes.size;
  addUsed(root, order.later, nodes);
  nodes.add(root);
  addDirectories(root, nodes);
  addOthers(root, nodes);
  return { nodes: [...nodes], bootCount };
}

function addUsed(root: DirectoryNode, paths: readonly string[], nodes: Set<TreeNode>): void {
  for (const path of paths) {
    if (findNode(root, path) === undefined) continue;
    const names = path.split('/').filter(name => name !== '');
    for (let i = 0; i <= names.length; i++) nodes.add(findNode(root, names.slice(0, i).join('/'))!);
  }
}

function addDirectories(directory: DirectoryNode, nodes: Set<TreeNode>): void {
  for (const child of directory.entries.values()) {
    if (child.kind !== 'directory') continue;
    nodes.add(child);
    addDirectories(child, nodes);
  }
}

function addOthers(directory: DirectoryNode, nodes: Set<TreeNode>): void {
  for (const child of directory.entries.values()) {
    if (child.kind === 'directory') addOthers(child, nodes);
    else nodes.add(child);
  }
}

const divider = '---';

/** Reads an order file: one absolute path a line, first the boot, after a line `---` the rest; empty lines and those that start with # are left out. */
export function readOrder(text: string): UseOrder {
  const lines = text.split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'));
  const middle = lines.includes(divider) ? lines.indexOf(divider) : lines.length;
  return { boot: lines.slice(0, middle), later: lines.slice(middle + 1) };
}

/** The text of an order file. */
export function formatOrder(order: UseOrder): string {
  return ['# Files in order of use, measured by images/trace.ts: a boot to the prompt, then common programs.', ...order.boot, divider, ...order.later, ''].join('\n');
}
