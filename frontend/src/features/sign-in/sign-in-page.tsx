import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type FormEvent, useCallback, useEffect, useRef } from "react";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/problem";
import { meQuery, type Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Field } from "@/shared/ui/field";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { useHashToken } from "./hash-token";
import { homeOf, ownPath } from "./where-to";
import "./sign-in.css";

/** Signs in with the link that brought the person here, else with user name and password. */
export function SignInPage({ next }: { next: string | undefined }) {
  const { t } = useLingui();
  const [token, forgetToken] = useHashToken();
  const goOn = useGoOn(next);
  // What is kept in memory may be of a session that has ended.
  const me = useQuery({ ...meQuery(), enabled: token === null, refetchOnMount: "always" });
  const isSignedIn = token === null && me.isSuccess && me.isFetchedAfterMount;
  useEffect(() => {
    if (isSignedIn && me.data) void goOn(me.data);
  }, [isSignedIn, me.data, goOn]);

  const isNobody = me.error instanceof ApiError && me.error.status === 401;
  return (
    <div className="cm-narrow">
      <PageHead title={t`Sign in`} />
      {token !== null ? (
        <WithLink token={token} onSignedIn={goOn} onGiveUp={forgetToken} />
      ) : me.isPending || isSignedIn ? (
        <Loading lines={3} />
      ) : (
        <>
          {isNobody ? null : <ProblemNote error={me.error} />}
          <WithPassword onSignedIn={goOn} />
        </>
      )}
    </div>
  );
}

/** Goes on, once, to where the person wanted to be. */
function useGoOn(next: string | undefined): (me: Schema<"MeAnswer">) => Promise<void> {
  const queryClient = useQueryClient();
  const router = useRouter();
  const isLeaving = useRef(false);
  return useCallback(
    async (me) => {
      if (isLeaving.current) return;
      isLeaving.current = true;
      router.history.replace(ownPath(next) ?? (await homeOf(me, queryClient)));
    },
    [next, queryClient, router],
  );
}

/** Nothing that was kept for another account is shown to this one. */
function useStart(onSignedIn: (me: Schema<"MeAnswer">) => Promise<void>) {
  const queryClient = useQueryClient();
  return async (me: Schema<"MeAnswer">) => {
    queryClient.clear();
    queryClient.setQueryData(meQuery().queryKey, me);
    await onSignedIn(me);
  };
}

interface WayProps {
  readonly onSignedIn: (me: Schema<"MeAnswer">) => Promise<void>;
}

function WithLink({ token, onSignedIn, onGiveUp }: WayProps & { token: string; onGiveUp: () => void }) {
  const signIn = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/session/link", { body: { token } })),
    onSuccess: useStart(onSignedIn),
  });
  return (
    <>
      <p>
        <Trans>This link signs you in on this device.</Trans>
      </p>
      <ProblemNote error={signIn.error} />
      {signIn.isError ? (
        <p>
          <Button onClick={onGiveUp}>
            <Trans>Sign in with a password</Trans>
          </Button>
        </p>
      ) : null}
      <Button variant="primary" busy={signIn.isPending || signIn.isSuccess} onClick={() => signIn.mutate()}>
        <Trans>Sign in</Trans>
      </Button>
    </>
  );
}

function WithPassword({ onSignedIn }: WayProps) {
  const { t } = useLingui();
  const signIn = useMutation({
    mutationFn: (body: Schema<"PasswordSignInForm">) =>
      unwrap(api.POST("/api/v1/session/password", { body })),
    onSuccess: useStart(onSignedIn),
  });
  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    signIn.mutate({ username: String(form.get("username")).trim(), password: String(form.get("password")) });
  }
  return (
    <form onSubmit={submit} aria-label={t`Sign in`}>
      <Field
        label={t`User name`}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        maxLength={200}
        required
      />
      <Field
        label={t`Password`}
        name="password"
        type="password"
        autoComplete="current-password"
        maxLength={200}
        required
      />
      <ProblemNote error={signIn.error} />
      <Button type="submit" variant="primary" busy={signIn.isPending || signIn.isSuccess}>
        <Trans>Sign in</Trans>
      </Button>
      <p className="cm-quiet cm-after">
        <Trans>No password? Ask an admin of your project for a sign-in link.</Trans>
      </p>
    </form>
  );
}
