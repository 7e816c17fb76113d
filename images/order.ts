/** In which order the nodes of a tree are laid out. */
import { findNode, type DirectoryNode, type TreeNode } from './tree.ts';

/** All nodes of a tree, each once; the first `bootCount` are those that a boot uses. */
export interface LayoutOrder { readonly nodes: readonly TreeNode[]; readonly bootCount: number }

/**
 * The nodes in `order` (absolute paths, unknown ones left out), each after the directories that lead to it and with the symlinks on its
 * way; then all other directories; then everything else by path.
 */
export function layoutOrder(root: DirectoryNode, order: readonly string[]): LayoutOrder {
  const nodes = new Set<TreeNode>();
  for (const path of order) {
    const names = path.split('/').filter(name => name !== '');
    if (findNode(root, path) === undefined) continue;
    for (let i = 0; i <= names.length; i++) nodes.add(findNode(root, names.slice(0, i).join('/'))!);
  }
  const bootCount = nodes.size;
  nodes.add(root);
  addDirectories(root, nodes);
  addOthers(root, nodes);
  return { nodes: [...nodes], bootCount };
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

/** Reads an order file: one absolute path a line; empty lines and those that start with # are left out. */
export function readOrder(text: string): string[] {
  return text.split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'));
}
