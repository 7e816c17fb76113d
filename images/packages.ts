/** The packages in a root file system and the licences they name. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ManifestPackage } from '../webview/fs/block/manifest.ts';
import { BuildError } from './rootfs.ts';

/** All installed packages by name. Throws a BuildError for one whose copyright file is missing. */
export function installedPackages(rootfs: string): ManifestPackage[] {
  const format = '${Package}\\t${Version}\\t${source:Package}\\t${source:Version}\\n';
  const listing = execFileSync('dpkg-query', [`--admindir=${join(rootfs, 'var/lib/dpkg')}`, '-W', '-f', format], { encoding: 'utf8' });
  return listing.trimEnd().split('\n').map(line => {
    const [name = '', version = '', source = '', sourceVersion = ''] = line.split('\t');
    return { name, version, source: sourceVersion === version ? source : `${source} (${sourceVersion})`, licences: licencesOf(rootfs, name) };
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function licencesOf(rootfs: string, name: string): string[] {
  const path = join(rootfs, 'usr/share/doc', name, 'copyright');
  if (!existsSync(path)) throw new BuildError(`the package ${name} has no copyright file in the image`);
  return licenceNames(readFileSync(path, 'utf8'));
}

/** Words by which licences without a machine-readable header are known. */
const marks: readonly (readonly [RegExp, string])[] = [
  [/Permission is hereby granted, free of charge/, 'Expat'],
  [/Permission to use, copy, modify,? and\/?(or)? ?distribute this software/i, 'ISC'],
  [/Redistribution and use in source and binary forms/i, 'BSD'],
  [/public[- ]domain/i, 'public-domain'],
  [/Mozilla Public License/i, 'MPL'],
  [/zlib license|This software is provided 'as-is'/i, 'Zlib'],
  [/GNU Lesser General Public|GNU Library General Public/i, 'LGPL'],
  [/GNU General Public License|\bGPL\b/i, 'GPL'],
  [/Artistic License/i, 'Artistic'],
  [/Info-ZIP/, 'Info-ZIP'],
];

/**
 * Short licence names in a copyright file: the License fields of a machine-readable one (DEP 5); else the files of
 * /usr/share/common-licenses that it points to; else what its wording shows.
 */
export function licenceNames(text: string): string[] {
  const names = new Set<string>();
  if (/^Format:.*copyright-format|^Format-Specification:/im.test(text)) {
    for (const match of text.matchAll(/^License:[ \t]*(\S[^\n]*)/gim)) names.add(match[1]!.trim().slice(0, 120));
  }
  if (names.size === 0) for (const match of text.matchAll(/\/usr\/share\/common-licenses\/([A-Za-z][A-Za-z0-9.+-]*[A-Za-z0-9+])/g)) names.add(match[1]!);
  if (names.size === 0) for (const [mark, name] of marks) if (mark.test(text)) names.add(name);
  return names.size === 0 ? ['see its copyright file'] : [...names].sort();
}
