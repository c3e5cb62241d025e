/** Compresses what was built, once: the server hands the .br or .gz beside a file to who takes it. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import type { Plugin, ResolvedConfig } from "vite";

const WORTH_IT_BYTES = 1024;
const COMPRESSIBLE = /\.(?:js|css|html|svg)$/;

export function compressed(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "zuoxi-compressed",
    apply: "build",
    configResolved: (resolved) => void (config = resolved),
    closeBundle() {
      for (const entry of readdirSync(config.build.outDir, { recursive: true, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name);
        if (!entry.isFile() || !COMPRESSIBLE.test(file)) continue;
        const bytes = readFileSync(file);
        if (bytes.length < WORTH_IT_BYTES) continue;
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
        writeFileSync(`${file}.br`, brotliCompressSync(bytes, quality));
        writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}
