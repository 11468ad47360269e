import { Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Schema } from "@/api/queries";
import { dayAndTime } from "@/shared/texts/format";
import { roleWord } from "@/shared/texts/roles";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog } from "@/shared/ui/dialog";
import { ProblemNote } from "@/shared/ui/problem-note";
import { SecretLink } from "@/shared/ui/secret-link";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";
import { invitesQuery, useInviteChanges } from "./queries";
import { LabelsChoice, RoleField } from "./role-and-labels";
import { inviteState, labelsWords } from "./words";

type Labels = readonly Schema<"LabelAnswer">[];
type Invite = Schema<"InviteAnswer">;

export function NewInvite({
  projectId,
  labels,
  onClose,
}: {
  projectId: string;
  labels: Labels;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const { create } = useInviteChanges(projectId);
  const [role, setRole] = useState<Schema<"Role">>("annotator");
  const [chosen, setChosen] = useState<number[] | null>(null);
  const [days, setDays] = useState("7");
  const [note, setNote] = useState("");
  const dayNumber = Number(days);
  const areDaysGood = Number.isInteger(dayNumber) && dayNumber >= 1 && dayNumber <= 30;
  const isReady = areDaysGood && chosen?.length !== 0;

  return (
    <Dialog open onClose={onClose} title={t`Invite somebody`}>
      {create.data ? (
        <>
          <SecretLink url={create.data.url} label={t`Invitation link`} />
          <p>
            <Trans>It works until {dayAndTime(create.data.expires_at)}.</Trans>
          </p>
          <div className="cm-dialog-actions">
            <Button
              onClick={() => {
                setNote("");
                create.reset();
              }}
            >
              <Trans>Invite another person</Trans>
            </Button>
            <Button variant="primary" onClick={onClose}>
              <Trans>Close</Trans>
            </Button>
          </div>
        </>
      ) : (
        <form
          className="cm-form"
          aria-label={t`Invite somebody`}
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (isReady) create.mutate({ role, label_indices: chosen, days: dayNumber, note: note.trim() });
          }}
        >
          <RoleField role={role} onChange={setRole} />
          <LabelsChoice labels={labels} chosen={chosen} onChange={setChosen} />
          <TextInput
            label={t`The link works for this many days`}
            type="number"
            min={1}
            max={30}
            value={days}
            error={areDaysGood ? null : t`Give a whole number from 1 to 30.`}
            onChange={(event) => setDays(event.currentTarget.value)}
          />
          <TextInput
            label={t`Note (optional)`}
            description={t`For you, to know later whom it was for. They do not see it.`}
            value={note}
            maxLength={200}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          <ProblemNote error={create.error} />
          <div className="cm-dialog-actions">
            <Button onClick={onClose}>
              <Trans>Cancel</Trans>
            </Button>
            <Button type="submit" variant="primary" busy={create.isPending} disabled={!isReady}>
              <Trans>Make the link</Trans>
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

export function Invites({ projectId, labels }: { projectId: string; labels: Labels }) {
  const { t } = useLingui();
  const invites = useQuery(invitesQuery(projectId));
  const { revoke } = useInviteChanges(projectId);
  const [asked, setAsked] = useState<Invite | null>(null);
  if (invites.isError) return <ProblemNote error={invites.error} />;
  if (!invites.data || invites.data.length === 0) return null;
  return (
    <section aria-label={t`Invitations`}>
      <h2>
        <Trans>Invitations</Trans>
      </h2>
      <DataTable caption={t`Invitations, the newest first`}>
        <thead>
          <tr>
            <th scope="col">{t`Note`}</th>
            <th scope="col">{t`Role`}</th>
            <th scope="col">{t`Organs`}</th>
            <th scope="col">{t`State`}</th>
            <th scope="col">{t`Works until`}</th>
            <th scope="col">{t`Actions`}</th>
          </tr>
        </thead>
        <tbody>
          {invites.data.map((invite) => {
            const state = inviteState(invite.state);
            return (
              <tr key={invite.id}>
                <th scope="row" className="cm-break">
                  {invite.note || <span className="cm-quiet">{t`no note`}</span>}
                </th>
                <td>{roleWord(invite.role)}</td>
                <td>{labelsWords(invite.label_indices, labels)}</td>
                <td>
                  <Status tone={state.tone}>{state.words}</Status>
                  {invite.used_by !== null ? <div>{t`by ${invite.used_by}`}</div> : null}
                </td>
                <td>{dayAndTime(invite.expires_at)}</td>
                <td>
                  {invite.state === "open" ? (
                    <Button
                      size="small"
                      aria-label={t`Take back the invitation ${invite.note}`.trim()}
                      onClick={() => setAsked(invite)}
                    >
                      <Trans>Take back</Trans>
                    </Button>
                  ) : null}
                </td>
              </tr>
            );
          })}
        </tbody>
      </DataTable>
      <Confirm
        open={asked !== null}
        onClose={() => setAsked(null)}
        onConfirm={() => asked !== null && revoke.mutate(asked.id, { onSuccess: () => setAsked(null) })}
        title={t`Take this invitation back?`}
        confirmLabel={t`Take back`}
        busy={revoke.isPending}
        error={revoke.error}
      >
        <p>
          <Trans>Its link stops working. You can make a new one at any time.</Trans>
        </p>
      </Confirm>
    </section>
  );
}
