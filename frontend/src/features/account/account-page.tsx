import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { api, unwrap } from "@/api/client";
import { meQuery, type Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Field } from "@/shared/ui/field";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { useToasts } from "@/shared/ui/toast";
import { Browsers } from "./browsers";
import { Consents } from "./consents";
import { sessionsQuery } from "./queries";
import { Section } from "./section";
import { Tokens } from "./tokens";
import "./account.css";

type Me = Schema<"MeAnswer">;

export function AccountPage() {
  const { t } = useLingui();
  const me = useQuery(meQuery());
  return (
    <div className="cm-account">
      <PageHead title={t`Your account`} />
      {me.data ? (
        <>
          <Section title={t`Name`}>
            <Name me={me.data} />
          </Section>
          <Section title={t`Password`}>
            <Password me={me.data} />
          </Section>
          <Section title={t`Where you are signed in`}>
            <Browsers />
          </Section>
          <Consents memberships={me.data.memberships} />
          <Section title={t`Personal access tokens`}>
            <Tokens />
          </Section>
        </>
      ) : me.isError ? (
        <ProblemNote error={me.error} />
      ) : (
        <Loading />
      )}
    </div>
  );
}

function Name({ me }: { me: Me }) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const toasts = useToasts();
  const rename = useMutation({
    mutationFn: (name: string) => unwrap(api.PATCH("/api/v1/me", { body: { name } })),
    onSuccess: (now) => {
      queryClient.setQueryData(meQuery().queryKey, now);
      toasts.show({ tone: "good", text: t`Your name is saved.` });
    },
  });
  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    rename.mutate(String(new FormData(event.currentTarget).get("name")).trim());
  }
  return (
    <form onSubmit={submit} aria-label={t`Name`}>
      <Field
        label={t`Your name`}
        hint={t`Your projects' admins see it.`}
        name="name"
        autoComplete="name"
        defaultValue={me.name}
        maxLength={200}
        required
      />
      <ProblemNote error={rename.error} />
      <Button type="submit" busy={rename.isPending}>
        <Trans>Save the name</Trans>
      </Button>
    </form>
  );
}

function Password({ me }: { me: Me }) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const toasts = useToasts();
  const set = useMutation({
    mutationFn: (body: Schema<"PasswordForm">) => unwrap(api.PUT("/api/v1/me/password", { body })),
    onSuccess: async (now) => {
      queryClient.setQueryData(meQuery().queryKey, now);
      toasts.show({ tone: "good", text: t`The password is saved. Other browsers are signed out.` });
      await queryClient.invalidateQueries({ queryKey: sessionsQuery().queryKey });
    },
  });
  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const current = given.get("current");
    set.mutate(
      {
        username: String(given.get("username")).trim(),
        password: String(given.get("password")),
        ...(typeof current === "string" ? { current_password: current } : {}),
      },
      {
        onSuccess: () => {
          for (const input of form.querySelectorAll<HTMLInputElement>("input[type=password]"))
            input.value = "";
        },
      },
    );
  }
  return (
    <form onSubmit={submit} aria-label={t`Password`}>
      <p>
        {me.has_password ? (
          <Trans>You can sign in anywhere with your user name and password.</Trans>
        ) : (
          <Trans>With a user name and a password you can sign in anywhere, without a link.</Trans>
        )}{" "}
        <Trans>When you save, all other browsers are signed out.</Trans>
      </p>
      <Field
        label={t`User name`}
        hint={t`At least 3 characters: letters without accents, digits and . _ @ + -`}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        defaultValue={me.username ?? ""}
        minLength={3}
        maxLength={64}
        pattern="[A-Za-z0-9._@+\-]+"
        required
      />
      {me.has_password ? (
        <Field
          label={t`Current password`}
          name="current"
          type="password"
          autoComplete="current-password"
          maxLength={200}
          required
        />
      ) : null}
      <Field
        label={t`New password`}
        hint={t`At least 10 characters. Several words that nobody would put together are good.`}
        name="password"
        type="password"
        autoComplete="new-password"
        minLength={10}
        maxLength={200}
        required
      />
      <ProblemNote error={set.error} />
      <Button type="submit" busy={set.isPending}>
        {me.has_password ? <Trans>Change the password</Trans> : <Trans>Set the password</Trans>}
      </Button>
    </form>
  );
}
