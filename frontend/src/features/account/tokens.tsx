import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useRef, useState } from "react";
import { api, unwrap } from "@/api/client";
import type { Schema } from "@/api/queries";
import { day, dayAndTime } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Field } from "@/shared/ui/field";
import { Loading } from "@/shared/ui/loading";
import { ProblemNote } from "@/shared/ui/problem-note";
import { tokensQuery } from "./queries";

/** Tokens with which scripts act for the person. */
export function Tokens() {
  const { t } = useLingui();
  const tokens = useQuery(tokensQuery());
  const [revoking, setRevoking] = useState<Schema<"TokenAnswer"> | null>(null);
  return (
    <>
      <p>
        <Trans>With a token a script on your computer can do what you can do. Most people need none.</Trans>
      </p>
      {tokens.isPending ? <Loading lines={2} /> : null}
      <ProblemNote error={tokens.error} />
      <ul className="cm-lines" aria-label={t`Tokens`}>
        {tokens.data?.map((token) => (
          <li key={token.id}>
            <span>
              <strong>{token.name}</strong>{" "}
              <span className="cm-quiet">
                {token.scope === "read" ? <Trans>may look</Trans> : <Trans>may change</Trans>},{" "}
                <Trans>valid until {day(token.expires_at)}</Trans>,{" "}
                {token.seen_at === null ? (
                  <Trans>never used</Trans>
                ) : (
                  <Trans>last used {dayAndTime(token.seen_at)}</Trans>
                )}
              </span>
            </span>
            <Button variant="danger" aria-label={t`Revoke ${token.name}`} onClick={() => setRevoking(token)}>
              <Trans>Revoke</Trans>
            </Button>
          </li>
        ))}
      </ul>
      <NewToken />
      {revoking ? <Revoke token={revoking} onClose={() => setRevoking(null)} /> : null}
    </>
  );
}

function NewToken() {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const scopeId = useId();
  const create = useMutation({
    mutationFn: (body: Schema<"TokenForm">) => unwrap(api.POST("/api/v1/me/tokens", { body })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: tokensQuery().queryKey }),
  });
  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    create.mutate(
      {
        name: String(given.get("name")).trim(),
        scope: given.get("scope") === "write" ? "write" : "read",
        days: Number(given.get("days")),
      },
      { onSuccess: () => form.reset() },
    );
  }
  return (
    <>
      {create.data ? <Secret key={create.data.id} token={create.data} /> : null}
      <form onSubmit={submit} aria-label={t`New token`}>
        <h3>
          <Trans>New token</Trans>
        </h3>
        <Field label={t`What it is for`} name="name" autoComplete="off" maxLength={200} required />
        <div className="cm-field">
          <label htmlFor={scopeId}>
            <Trans>What it may do</Trans>
          </label>
          <select id={scopeId} name="scope" defaultValue="read">
            <option value="read">{t`may look`}</option>
            <option value="write">{t`may change`}</option>
          </select>
        </div>
        <Field
          label={t`Valid for how many days`}
          name="days"
          type="number"
          inputMode="numeric"
          min={1}
          max={365}
          defaultValue={90}
          required
        />
        <ProblemNote error={create.error} />
        <Button type="submit" busy={create.isPending}>
          <Trans>Make the token</Trans>
        </Button>
      </form>
    </>
  );
}

/** Shown this once: the server keeps only a fingerprint of it. */
function Secret({ token }: { token: Schema<"NewTokenAnswer"> }) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isCopied, setIsCopied] = useState(false);
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(token.token);
      setIsCopied(true);
    } catch {
      // Without permission the person copies by hand: all of it is selected.
      field.current?.select();
    }
  }
  return (
    <div className="cm-secret-token">
      <div className="cm-field">
        <label htmlFor={id}>
          <Trans>The token {token.name}</Trans>
        </label>
        <input
          ref={field}
          id={id}
          readOnly
          value={token.token}
          onFocus={(event) => event.currentTarget.select()}
        />
      </div>
      <Button variant="primary" onClick={() => void copy()}>
        {isCopied ? <Trans>Copied</Trans> : <Trans>Copy</Trans>}
      </Button>
      <p className="cm-quiet" role="status">
        {isCopied ? (
          <Trans>The token is copied. It is shown only now.</Trans>
        ) : (
          <Trans>Copy it now: it is not shown again. Give it to nobody.</Trans>
        )}
      </p>
    </div>
  );
}

function Revoke({ token, onClose }: { token: Schema<"TokenAnswer">; onClose: () => void }) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const revoke = useMutation({
    mutationFn: () =>
      unwrap(api.DELETE("/api/v1/me/tokens/{token_id}", { params: { path: { token_id: token.id } } })),
    onSuccess: async () => {
      onClose();
      await queryClient.invalidateQueries({ queryKey: tokensQuery().queryKey });
    },
  });
  return (
    <Confirm
      open
      onClose={onClose}
      onConfirm={() => revoke.mutate()}
      title={t`Revoke the token ${token.name}?`}
      confirmLabel={t`Revoke`}
      busy={revoke.isPending}
      error={revoke.error}
    >
      <p>
        <Trans>Scripts that use it can no longer do anything.</Trans>
      </p>
    </Confirm>
  );
}
