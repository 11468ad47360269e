import { Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { membersQuery, meQuery, peopleQuery, projectQuery, type Schema } from "@/api/queries";
import { dayAndTime } from "@/shared/texts/format";
import { roleWord } from "@/shared/texts/roles";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Dialog } from "@/shared/ui/dialog";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { SecretLink } from "@/shared/ui/secret-link";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";
import { Invites, NewInvite } from "./invites";
import { useMemberChanges } from "./queries";
import { LabelsChoice, RoleField } from "./role-and-labels";
import { labelsWords } from "./words";

type Member = Schema<"MemberAnswer">;
type Doing = "change" | "remove" | "link";

/** Who takes part, what they did, and inviting more. */
export function MembersPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const me = useQuery(meQuery());
  const project = useQuery(projectQuery(projectId));
  const members = useQuery(membersQuery(projectId));
  const people = useQuery(peopleQuery(projectId));
  const [isInviting, setIsInviting] = useState(false);
  const [doing, setDoing] = useState<{ what: Doing; member: Member } | null>(null);
  const labels = project.data?.labels ?? [];
  const doneBy = new Map((people.data ?? []).map((person) => [person.account_id, person]));
  const isAlone = members.data?.length === 1;
  const close = () => setDoing(null);

  return (
    <>
      <PageHead
        title={t`People`}
        actions={
          <Button variant="primary" onClick={() => setIsInviting(true)}>
            <Trans>Invite somebody</Trans>
          </Button>
        }
      />
      <div className="cm-stack">
        {members.isPending ? <Loading /> : null}
        <ProblemNote error={members.error ?? people.error ?? project.error} />
        {isAlone ? (
          <p className="cm-note">
            <Trans>You are alone here. Invite people: each gets a link that works once, on any device.</Trans>
          </p>
        ) : null}
        {members.data ? (
          <DataTable caption={t`People of the project`}>
            <thead>
              <tr>
                <th scope="col">{t`Name`}</th>
                <th scope="col">{t`Role`}</th>
                <th scope="col">{t`Organs`}</th>
                <th scope="col" data-number>
                  {t`Submitted`}
                </th>
                <th scope="col" data-number>
                  {t`Reserved`}
                </th>
                <th scope="col" data-number>
                  {t`Boxes drawn`}
                </th>
                <th scope="col" data-number>
                  {t`Minutes`}
                </th>
                <th scope="col">{t`Last seen`}</th>
                <th scope="col">{t`Actions`}</th>
              </tr>
            </thead>
            <tbody>
              {members.data.map((member) => {
                const done = doneBy.get(member.account_id);
                return (
                  <tr key={member.account_id}>
                    <th scope="row" className="cm-break">
                      {member.name}
                      {member.account_id === me.data?.id ? (
                        <span className="cm-quiet">
                          {" "}
                          <Trans>(you)</Trans>
                        </span>
                      ) : null}
                      {member.consent_accepted ? null : (
                        <div>
                          <Status tone="warning">{t`text not accepted yet`}</Status>
                        </div>
                      )}
                    </th>
                    <td>
                      {roleWord(member.role)}
                      {member.qualification === "" ? null : (
                        <div className="cm-quiet cm-break">{member.qualification}</div>
                      )}
                    </td>
                    <td>{labelsWords(member.label_indices, labels)}</td>
                    <td data-number>
                      {done?.submitted ?? 0}
                      {done && done.late > 0 ? (
                        <div className="cm-quiet">
                          <Trans>{done.late} late</Trans>
                        </div>
                      ) : null}
                    </td>
                    <td data-number>{done?.reserved ?? 0}</td>
                    <td data-number>{done?.boxes_drawn ?? 0}</td>
                    <td data-number>{Math.round(done?.active_minutes ?? 0)}</td>
                    <td>{member.seen_at === null ? t`never` : dayAndTime(member.seen_at)}</td>
                    <td>
                      <div className="cm-row" data-wrap="never">
                        <Button
                          size="small"
                          aria-label={t`Change ${member.name}`}
                          onClick={() => setDoing({ what: "change", member })}
                        >
                          <Trans>Change</Trans>
                        </Button>
                        <Button
                          size="small"
                          aria-label={t`New sign-in link for ${member.name}`}
                          onClick={() => setDoing({ what: "link", member })}
                        >
                          <Trans>Sign-in link</Trans>
                        </Button>
                        <Button
                          size="small"
                          variant="danger"
                          aria-label={t`Remove ${member.name}`}
                          onClick={() => setDoing({ what: "remove", member })}
                        >
                          <Trans>Remove</Trans>
                        </Button>
                      </div>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </DataTable>
        ) : null}
        <Invites projectId={projectId} labels={labels} />
      </div>
      {isInviting ? (
        <NewInvite projectId={projectId} labels={labels} onClose={() => setIsInviting(false)} />
      ) : null}
      {doing?.what === "change" ? (
        <ChangeMember projectId={projectId} member={doing.member} labels={labels} onClose={close} />
      ) : null}
      {doing?.what === "link" ? (
        <NewSignInLink projectId={projectId} member={doing.member} onClose={close} />
      ) : null}
      {doing?.what === "remove" ? (
        <RemoveMember projectId={projectId} member={doing.member} onClose={close} />
      ) : null}
    </>
  );
}

function ChangeMember({
  projectId,
  member,
  labels,
  onClose,
}: {
  projectId: string;
  member: Member;
  labels: readonly Schema<"LabelAnswer">[];
  onClose: () => void;
}) {
  const { t } = useLingui();
  const { change } = useMemberChanges(projectId);
  const [role, setRole] = useState(member.role);
  const [chosen, setChosen] = useState<number[] | null>(member.label_indices);
  const [qualification, setQualification] = useState(member.qualification);
  return (
    <Dialog open onClose={onClose} title={t`Change ${member.name}`}>
      <form
        className="cm-form"
        aria-label={t`Change ${member.name}`}
        onSubmit={(event) => {
          event.preventDefault();
          if (chosen?.length === 0) return;
          change.mutate(
            {
              accountId: member.account_id,
              patch:
                chosen === null
                  ? { role, all_labels: true, qualification }
                  : { role, label_indices: chosen, all_labels: false, qualification },
            },
            { onSuccess: onClose },
          );
        }}
      >
        <RoleField role={role} onChange={setRole} />
        <LabelsChoice labels={labels} chosen={chosen} onChange={setChosen} />
        <TextInput
          label={t`Qualification, as this person states it (optional)`}
          description={t`For example "medical student, 3rd year". It stands on the card of datasets, without the name.`}
          maxLength={200}
          value={qualification}
          onChange={(event) => setQualification(event.currentTarget.value)}
        />
        <ProblemNote error={change.error} />
        <div className="cm-dialog-actions">
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button type="submit" variant="primary" busy={change.isPending} disabled={chosen?.length === 0}>
            <Trans>Save</Trans>
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function RemoveMember({
  projectId,
  member,
  onClose,
}: {
  projectId: string;
  member: Member;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const { remove } = useMemberChanges(projectId);
  return (
    <Confirm
      open
      onClose={onClose}
      onConfirm={() => remove.mutate(member.account_id, { onSuccess: onClose })}
      title={t`Remove ${member.name} from the project?`}
      confirmLabel={t`Remove`}
      busy={remove.isPending}
      error={remove.error}
    >
      <p>
        <Trans>Their work stays. What is reserved for them becomes free. They can be invited again.</Trans>
      </p>
    </Confirm>
  );
}

function NewSignInLink({
  projectId,
  member,
  onClose,
}: {
  projectId: string;
  member: Member;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const { signInLink } = useMemberChanges(projectId);
  return (
    <Dialog open onClose={onClose} title={t`Sign-in link for ${member.name}`}>
      {signInLink.data ? (
        <>
          <SecretLink url={signInLink.data.url} label={t`Sign-in link`} />
          <p>
            <Trans>It works until {dayAndTime(signInLink.data.expires_at)}.</Trans>
          </p>
        </>
      ) : (
        <>
          <p>
            <Trans>
              For somebody who cannot sign in any more. All devices on which they are signed in now are signed
              out.
            </Trans>
          </p>
          <ProblemNote error={signInLink.error} />
          <div className="cm-dialog-actions">
            <Button onClick={onClose}>
              <Trans>Cancel</Trans>
            </Button>
            <Button
              variant="primary"
              busy={signInLink.isPending}
              onClick={() => signInLink.mutate(member.account_id)}
            >
              <Trans>Make the link</Trans>
            </Button>
          </div>
        </>
      )}
    </Dialog>
  );
}
