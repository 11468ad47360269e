import { Trans, useLingui } from "@lingui/react/macro";
import "@mantine/core/styles.css";
import "./admin.css";
import { AppShell, MantineProvider } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { useEffect } from "react";
import { onSignedOut } from "@/api/client";
import { meQuery } from "@/api/queries";
import { styleNonce } from "@/shared/nonce";
import "@/shared/texts/admin";
import { theme, variables } from "./theme";

/** Somebody whose session ended signs in and comes back to the same page. */
function useSignIn(): void {
  useEffect(
    () =>
      onSignedOut(() => {
        const here = window.location.pathname + window.location.search;
        if (window.location.pathname.startsWith("/sign-in")) return;
        window.location.assign(`/sign-in?next=${encodeURIComponent(here)}`);
      }),
    [],
  );
}

/** Brings Mantine to the pages of admins and researchers; its style elements carry the page's nonce. */
export function AdminLayout() {
  const { t } = useLingui();
  useSignIn();
  const me = useQuery(meQuery());
  return (
    <MantineProvider
      defaultColorScheme="auto"
      theme={theme}
      cssVariablesResolver={variables}
      getStyleNonce={styleNonce}
    >
      <AppShell header={{ height: 56 }} padding="md" className="cm-admin">
        <AppShell.Header>
          <nav className="cm-admin-links" aria-label={t`Crowdmask`}>
            <Link to="/admin" className="cm-admin-brand">
              Crowdmask
            </Link>
            <Link to="/admin">
              <Trans>Projects</Trans>
            </Link>
            <Link to="/tasks">
              <Trans>Your tasks</Trans>
            </Link>
            {me.data ? (
              <Link to="/account" className="cm-admin-me">
                {me.data.name}
              </Link>
            ) : null}
          </nav>
        </AppShell.Header>
        <AppShell.Main id="main" tabIndex={-1}>
          <div className="cm-admin-main">
            <Outlet />
            <footer className="cm-admin-footer">
              <Trans>For research use only. Not a medical device.</Trans>{" "}
              <Link to="/docs/api">
                <Trans>Programming interface</Trans>
              </Link>
            </footer>
          </div>
        </AppShell.Main>
      </AppShell>
    </MantineProvider>
  );
}
