// Writes the interpreter's WebAssembly module: node scripts/ts.mjs scripts/engine.ts [FILE]; dist/engine.wasm if none is named.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import { generateInterpreter } from '../webview/engine/interpreter/generator.ts';
import { helpers } from '../webview/engine/semantics/helpers/index.ts';
import { descriptions } from '../webview/engine/semantics/index.ts';
import { ROWS } from '../webview/engine/x86/table.ts';

const file = process.argv[2] ?? 'dist/engine.wasm';
const module = generateInterpreter({ rows: ROWS, descriptions, helpers });
if (!WebAssembly.validate(module)) throw new Error('The interpreter is not a valid module.');
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, module);
console.log(`${file}: ${module.length} bytes, ${gzipSync(module).length} compressed`);
