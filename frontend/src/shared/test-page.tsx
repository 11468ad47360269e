/** For tests: pages at their addresses, in what every page has around it. */
import { I18nProvider } from "@lingui/react";
import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  RouterProvider,
} from "@tanstack/react-router";
import { render } from "@testing-library/react";
import type { ComponentType, ReactNode } from "react";
import { i18n } from "@/shared/texts/i18n";

/** Opens `address` among `pages` (a component for each path), `within` what their part of the application adds. jsdom lacks
 *  what Mantine asks of a browser. */
export function openPage(
  pages: Readonly<Record<string, ComponentType>>,
  address: string,
  queryClient: QueryClient,
  within: (page: ReactNode) => ReactNode = (page) => page,
) {
  const listeners = { addEventListener() {}, removeEventListener() {} };
  window.matchMedia ??= (media) => ({ matches: false, media, ...listeners }) as never;
  if (!("fonts" in document)) Object.defineProperty(document, "fonts", { value: listeners });
  const root = createRootRoute();
  const routes = Object.entries(pages).map(([path, component]) =>
    createRoute({ getParentRoute: () => root, path, component: component as never }),
  );
  const router = createRouter({
    routeTree: root.addChildren(routes),
    history: createMemoryHistory({ initialEntries: [address] }),
  });
  render(
    <I18nProvider i18n={i18n}>
      <QueryClientProvider client={queryClient}>
        {within(<RouterProvider router={router as never} />)}
      </QueryClientProvider>
    </I18nProvider>,
  );
  return router;
}
