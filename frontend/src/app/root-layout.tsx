import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useRouter, useRouterState } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useEffect, useSyncExternalStore } from "react";
import { api, onSignedOut, unwrap } from "@/api/client";
import { ApiError } from "@/api/problem";
import { forgetAccount, meQuery, type Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Menu } from "@/shared/ui/menu";
import { useToasts } from "@/shared/ui/toast";
import { applyUpdate, isUpdateReady, subscribeToUpdate } from "./pwa";
import "./root-layout.css";

// Not needed to show a page, and it brings the queue's storage.
const SavingNote = lazy(() => import("./saving-note").catch(() => ({ default: () => null })));

/** Frame of every page: skip link, the page, a quiet note when a newer version waits. */
export function RootLayout() {
  const updateReady = useSyncExternalStore(subscribeToUpdate, isUpdateReady);
  const path = useRouterState({ select: (state) => state.location.pathname });
  return (
    <>
      <a className="cm-skip" href="#main">
        <Trans>Skip to the content</Trans>
      </a>
      {hasOwnFrame(path) ? (
        <Outlet />
      ) : (
        <Frame isPublic={isPublic(path)}>
          <Outlet />
        </Frame>
      )}
      {updateReady ? (
        <div className="cm-update" role="status">
          <Trans>A newer version of Crowdmask is ready.</Trans>
          <Button size="small" onClick={applyUpdate}>
            <Trans>Reload</Trans>
          </Button>
        </div>
      ) : null}
    </>
  );
}

/** The workspace, the admin's pages and the documentation bring their own header. */
function hasOwnFrame(path: string): boolean {
  return /^\/(work|admin|docs)(\/|$)/.test(path);
}

function isPublic(path: string): boolean {
  return /^\/(sign-in|join)\/?$/.test(path);
}

function Frame({ isPublic, children }: { isPublic: boolean; children: ReactNode }) {
  useSignInWhenSignedOut(isPublic);
  // Public pages ask themselves, because there it is no fault when nobody is signed in.
  const me = useQuery({ ...meQuery(), enabled: !isPublic });
  const known = isPublic && me.isError ? undefined : me.data;
  return (
    <div className="cm-page">
      <header className="cm-page-header">
        <Link className="cm-brand" to={known ? "/tasks" : "/sign-in"}>
          Crowdmask
        </Link>
        {known ? <Navigation me={known} /> : null}
      </header>
      {isPublic && !known ? null : (
        <Suspense>
          <SavingNote accountId={known?.id ?? null} />
        </Suspense>
      )}
      <main id="main" className="cm-page-main" tabIndex={-1}>
        {children}
      </main>
      <footer className="cm-page-footer">
        <Trans>Research use only. Not a medical device.</Trans>
      </footer>
    </div>
  );
}

function Navigation({ me }: { me: Schema<"MeAnswer"> }) {
  const { t } = useLingui();
  const router = useRouter();
  const signOut = useSignOut();
  const seesAdmin = me.is_operator || me.memberships.some(({ role }) => role !== "annotator");
  return (
    <>
      <nav className="cm-page-nav" aria-label={t`Crowdmask`}>
        <Link to="/tasks">
          <Trans>Tasks</Trans>
        </Link>
        {seesAdmin ? (
          <Link to="/admin">
            <Trans>Projects</Trans>
          </Link>
        ) : null}
      </nav>
      <Menu
        variant="plain"
        label={
          <>
            <span className="cm-account-name">{me.name}</span>
            <span aria-hidden="true">▾</span>
          </>
        }
        ariaLabel={t`${me.name}: account menu`}
        entries={[
          {
            id: "account",
            label: t`Account`,
            onSelect: () => void router.navigate({ to: "/account" }),
          },
          { id: "sign-out", label: t`Sign out`, onSelect: () => signOut.mutate() },
        ]}
      />
    </>
  );
}

/** Ends the session; nothing of the account stays in memory. Unsent work stays on the device, for that account. */
function useSignOut() {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const router = useRouter();
  const toasts = useToasts();
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/session")),
    onSettled: async (_, error) => {
      // The session may have ended before.
      if (error !== null && !(error instanceof ApiError && error.status === 401)) {
        toasts.show({
          tone: "problem",
          text: t`You are still signed in: the server could not be reached. Try again.`,
        });
        return;
      }
      await router.navigate({ to: "/sign-in" });
      await forgetAccount(queryClient);
    },
  });
}

/** Somebody whose session ended signs in and comes back to the same page. */
function useSignInWhenSignedOut(isPublic: boolean): void {
  const queryClient = useQueryClient();
  const router = useRouter();
  useEffect(() => {
    if (isPublic) return;
    return onSignedOut(() => {
      const { pathname, searchStr } = router.state.location;
      void router
        .navigate({ to: "/sign-in", search: { next: pathname + searchStr }, replace: true })
        .then(() => forgetAccount(queryClient));
    });
  }, [isPublic, queryClient, router]);
}
