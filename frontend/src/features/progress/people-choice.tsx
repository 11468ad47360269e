import { Trans, useLingui } from "@lingui/react/macro";
import type { Schema } from "@/api/queries";
import { roleWord } from "@/shared/texts/roles";

/** Who gets the tasks. Researchers draw nothing. */
export function PeopleChoice({
  members,
  chosen,
  onChange,
}: {
  members: readonly Schema<"MemberAnswer">[];
  chosen: readonly string[];
  onChange: (accountIds: readonly string[]) => void;
}) {
  const { t } = useLingui();
  const workers = members.filter((member) => member.role !== "researcher");
  return (
    <fieldset className="cm-fieldset">
      <legend>
        <Trans>Give them to</Trans>
      </legend>
      {workers.length === 0 ? (
        <p className="cm-quiet">
          <Trans>Nobody is here yet. Invite people on the page People.</Trans>
        </p>
      ) : (
        <ul className="cm-plain-list cm-people-choice">
          {workers.map((member) => {
            const isOn = chosen.includes(member.account_id);
            const noConsent = member.consent_accepted ? "" : t`, has not accepted the project's text yet`;
            return (
              <li key={member.account_id}>
                <label className="cm-row">
                  <input
                    type="checkbox"
                    className="cm-check"
                    checked={isOn}
                    onChange={() =>
                      onChange(
                        isOn
                          ? chosen.filter((id) => id !== member.account_id)
                          : [...chosen, member.account_id],
                      )
                    }
                  />
                  <span className="cm-break">
                    {member.name}{" "}
                    <span className="cm-quiet">
                      {roleWord(member.role)}
                      {noConsent}
                    </span>
                  </span>
                </label>
              </li>
            );
          })}
        </ul>
      )}
    </fieldset>
  );
}
