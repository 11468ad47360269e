import { fileURLToPath } from "node:url";
import { lingui } from "@lingui/vite-plugin";
import react from "@vitejs/plugin-react";
import { VitePWA } from "vite-plugin-pwa";
import { defineConfig } from "vitest/config";

const ON_EVERY_PAGE =
  /\/node_modules\/(react|react-dom|scheduler|use-sync-external-store|@lingui\/(core|react)|@tanstack\/(history|store|react-store|router-core|react-router|query-core|react-query))\//;
const ON_SOME = /\/(useInfiniteQuery|infiniteQuery\w*|useQueries|queriesObserver)\.js$/;

export default defineConfig({
  plugins: [
    react({ babel: { plugins: ["@lingui/babel-plugin-lingui-macro"] } }),
    lingui(),
    VitePWA({
      strategies: "generateSW",
      // A new version waits until the person agrees: a reload in the middle of a drawing would be rude.
      registerType: "prompt",
      // Registered from code (src/app/pwa.ts): the page's policy forbids inline scripts.
      injectRegister: false,
      manifest: {
        name: "Crowdmask",
        short_name: "Crowdmask",
        description: "Boxes in, masks out. For research use only.",
        start_url: "/",
        display: "standalone",
        background_color: "#10151b",
        theme_color: "#10151b",
        icons: [{ src: "/icon.svg", sizes: "any", type: "image/svg+xml" }],
      },
      workbox: {
        // The shell only. Without the admin's pages: whoever annotates on a phone should not download them.
        globPatterns: ["index.html", "assets/*.{js,css}"],
        globIgnores: [
          "assets/admin-*",
          "assets/layout-*.css",
          "assets/review-*.css",
          "assets/*swagger*",
          "assets/api-docs-*",
        ],
        // index.html carries a nonce that the server makes per response. A kept copy has its own headers beside it, so
        // its nonce and its policy still agree: pages come from the network first and from a copy only when offline.
        navigateFallback: null,
        directoryIndex: null,
        runtimeCaching: [
          {
            urlPattern: ({ request, url }) =>
              request.mode === "navigate" && !url.pathname.startsWith("/api/"),
            handler: "NetworkFirst",
            options: {
              cacheName: "pages",
              networkTimeoutSeconds: 4,
              expiration: { maxEntries: 40 },
              precacheFallback: { fallbackURL: "/index.html" },
            },
          },
        ],
      },
    }),
  ],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8000", changeOrigin: false } } },
  worker: { format: "es" },
  build: {
    outDir: "dist",
    assetsDir: "assets",
    manifest: true,
    sourcemap: false,
    modulePreload: { polyfill: false },
    // A worker or picture written into the code as a data: address would break the page's policy.
    assetsInlineLimit: 0,
    target: "es2022",
    rolldownOptions: {
      output: {
        // What every page needs of others' code, in one file: it changes seldom, and one packs better than seven.
        codeSplitting: {
          groups: [{ name: "vendor", test: (id) => ON_EVERY_PAGE.test(id) && !ON_SOME.test(id) }],
        },
        // Named, so that the service worker leaves them out.
        chunkFileNames: ({ moduleIds }) =>
          moduleIds.some((id) =>
            /\/@mantine\/|\/app\/routes\/admin\/|\/(@niivue|zarrita|numcodecs)\//.test(id),
          )
            ? "assets/admin-[name]-[hash].js"
            : "assets/[name]-[hash].js",
      },
    },
  },
  test: {
    restoreMocks: true,
    maxWorkers: "100%",
    // Bounds against hanging, no claims: a slow and busy computer stays far below.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    projects: [
      {
        extends: true,
        test: {
          name: "engine",
          environment: "node",
          include: ["src/{canvas,offline,api}/**/*.test.ts", "scripts/**/*.test.ts"],
          setupFiles: ["src/offline/test-setup.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "words",
          environment: "node",
          include: ["src/{app,features,shared}/**/*.test.ts"],
          setupFiles: ["src/shared/texts/i18n.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "screens",
          environment: "jsdom",
          include: ["src/{app,features,shared}/**/*.test.tsx"],
          setupFiles: ["src/shared/test-setup.ts"],
        },
      },
    ],
  },
});
