import { type CSSVariablesResolver, createTheme } from "@mantine/core";

/** Mantine in our colours. Its own quiet greys and its red miss the contrast of WCAG AA. */
export const theme = createTheme({
  primaryColor: "accent",
  primaryShade: { light: 7, dark: 4 },
  autoContrast: true,
  fontFamily: "var(--cm-font)",
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  colors: {
    accent: [
      "#e5f4fd",
      "#cbe7f8",
      "#9fd2f1",
      "#84c8f1",
      "#6cc0f0",
      "#2d94cf",
      "#0a76b3",
      "#005f94",
      "#004d79",
      "#003a5c",
    ],
  },
});

const COLOURS = {
  "--mantine-color-body": "var(--cm-surface)",
  "--mantine-color-text": "var(--cm-text)",
  "--mantine-color-dimmed": "var(--cm-text-quiet)",
  "--mantine-color-placeholder": "var(--cm-text-quiet)",
  "--mantine-color-error": "var(--cm-danger)",
  "--mantine-color-default-border": "var(--cm-edge)",
  "--mantine-color-anchor": "var(--cm-accent)",
};

export const variables: CSSVariablesResolver = () => ({ variables: {}, light: COLOURS, dark: COLOURS });
