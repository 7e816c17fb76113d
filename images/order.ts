/** In which order the nodes of a tree are laid out. */
import { findNode, type DirectoryNode, type TreeNode } from './tree.ts';

/** All nodes of a tree, each once; the first `bootCount` are those that a boot uses, and those of each of the commands after it end before `ends`. */
export interface LayoutOrder { readonly nodes: readonly TreeNode[]; readonly bootCount: number; readonly ends: readonly number[] }

/** What is used, as absolute paths in order of use: by a boot to the prompt, and by each of some common commands after it. */
export interface UseOrder { readonly boot: readonly string[]; readonly later: readonly (readonly string[])[] }

/**
 * The nodes in `order` (unknown paths left out), each after the directories that lead to it, symlinks not followed; then all other
 * directories, so that walking the tree touches few chunks; then everything else by path.
 */
export function layoutOrder(root: DirectoryNode, order: UseOrder): LayoutOrder {
  const nodes = new Set<TreeNode>();
  addUsed(root, order.boot, nodes);
  const bootCount = nodes.size;
  const ends = order.later.map(paths => {
    addUsed(root, paths, nodes);
    return nodes.size;
  });
  nodes.add(root);
  addDirectories(root, nodes);
  addOthers(root, nodes);
  return { nodes: [...nodes], bootCount, ends };
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

/** Reads an order file: one absolute path a line, first the boot, after lines `---` what each command uses; empty lines and those that start with # are left out. */
export function readOrder(text: string): UseOrder {
  const lines = text.split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'));
  const sections: string[][] = [[]];
  for (const line of lines) {
    if (line === divider) sections.push([]);
    else sections.at(-1)!.push(line);
  }
  const [boot, ...later] = sections;
  return { boot: boot!, later };
}

/** The text of an order file. */
export function formatOrder(order: UseOrder): string {
  return ['# Files in order of use, measured by images/trace.ts: a boot to the prompt, then common commands.', ...order.boot, ...order.later.flatMap(paths => [divider, ...paths]), ''].join('\n');
}
