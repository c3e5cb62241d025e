/** Build of the web application: into web/static/app, which the server hands out. */
import { fileURLToPath } from "node:url";

import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

import { compressed } from "./compress";
import { mockApi } from "./mock/plugin";

const MOCKED = process.env.ZUOXI_MOCK === "1";
const BACKEND = process.env.ZUOXI_BACKEND ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [vue(), compressed(), ...(MOCKED ? [mockApi()] : [])],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  define: {
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_I18N_LEGACY_API__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  build: {
    outDir: "../static/app",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 700,
  },
  server: {
    host: "127.0.0.1",
    port: 26000,
    strictPort: true,
    ...(MOCKED
      ? {}
      : { proxy: { "/api": { target: BACKEND, ws: true, changeOrigin: false } } }),
  },
  test: { environment: "node", include: ["tests/**/*.test.ts"], restoreMocks: true },
});
