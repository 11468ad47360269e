import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { FileButton, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useId, useState } from "react";
import { projectQuery, type Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { useToasts } from "@/shared/ui/toast";
import { doubledNames, namesIn } from "./draft";
import { problemWords } from "./problem-words";
import { useLabelChanges } from "./queries";

/** The organs of a project, and what people are told about each. */
export function LabelsPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const project = useQuery(projectQuery(projectId));
  if (project.isPending) return <Loading />;
  if (project.isError) return <ProblemNote error={project.error} />;
  const labels = project.data.labels;
  return (
    <>
      <PageHead title={t`Organs and guide`}>
        <p className="cm-quiet">
          <Trans>
            The guide is what people read before and while they draw: what it looks like, where it begins and
            ends, what is easily confused. The number is the value in the masks.
          </Trans>
        </p>
      </PageHead>
      <div className="cm-stack">
        {labels.map((label) => (
          <LabelCard
            key={label.index}
            projectId={projectId}
            label={label}
            others={labels.filter((other) => other !== label).map((other) => other.name)}
          />
        ))}
        <AddLabels projectId={projectId} names={labels.map((label) => label.name)} />
      </div>
    </>
  );
}

function AddLabels({ projectId, names }: { projectId: string; names: readonly string[] }) {
  const { t } = useLingui();
  const { add } = useLabelChanges(projectId);
  const [typed, setTyped] = useState("");
  const found = namesIn(typed);
  const isDoubled = doubledNames([...names, ...found]).length > 0;
  return (
    <form
      className="cm-form"
      aria-label={t`Add organs`}
      onSubmit={(event) => {
        event.preventDefault();
        if (found.length > 0 && !isDoubled) add.mutate(found, { onSuccess: () => setTyped("") });
      }}
    >
      <Textarea
        label={t`Add organs`}
        description={t`A line each, or with commas between. They get the next numbers. Tasks for them are made on the page Tasks.`}
        autosize
        minRows={1}
        value={typed}
        error={isDoubled ? problemWords("labels_twice", { labels: [...names, ...found] }) : null}
        onChange={(event) => setTyped(event.currentTarget.value)}
      />
      <ProblemNote error={add.error} />
      <div>
        <Button type="submit" busy={add.isPending} disabled={found.length === 0 || isDoubled}>
          {found.length > 1 ? (
            <Plural value={found.length} one="Add # organ" other="Add # organs" />
          ) : (
            <Trans>Add</Trans>
          )}
        </Button>
      </div>
    </form>
  );
}

function LabelCard({
  projectId,
  label,
  others,
}: {
  projectId: string;
  label: Schema<"LabelAnswer">;
  others: readonly string[];
}) {
  const { t } = useLingui();
  const { show } = useToasts();
  const { change, remove } = useLabelChanges(projectId);
  const [name, setName] = useState<string | null>(null);
  const [guide, setGuide] = useState<string | null>(null);
  const [isAsking, setIsAsking] = useState(false);
  const [isOpen, setIsOpen] = useState(false);
  const headingId = useId();
  const newName = (name ?? label.name).trim().replace(/\s+/g, " ");
  const newGuide = guide ?? label.guide;
  const isChanged = (newName !== label.name && newName !== "") || newGuide !== label.guide;
  const nameError =
    newName === ""
      ? t`Give it a name.`
      : doubledNames([...others, newName]).length > 0
        ? t`There is one of this name already.`
        : null;

  function save(): void {
    if (!isChanged || nameError !== null) return;
    const patch: Schema<"LabelPatch"> = {};
    if (newName !== label.name) patch.name = newName;
    if (newGuide !== label.guide) patch.guide = newGuide;
    change.mutate(
      { index: label.index, patch },
      {
        onSuccess: () => {
          setName(null);
          setGuide(null);
          show({ text: t`Saved`, tone: "good" });
        },
      },
    );
  }

  return (
    <section className="cm-card" aria-labelledby={headingId}>
      <div className="cm-head">
        <h2 id={headingId} className="cm-break">
          {label.index} {label.name}
        </h2>
        <div className="cm-row">
          <Button
            aria-expanded={isOpen}
            aria-label={t`Edit ${label.name}`}
            onClick={() => setIsOpen(!isOpen)}
          >
            {isOpen ? <Trans>Close</Trans> : <Trans>Edit</Trans>}
          </Button>
          <Button variant="danger" aria-label={t`Delete ${label.name}`} onClick={() => setIsAsking(true)}>
            <Trans>Delete</Trans>
          </Button>
        </div>
      </div>
      {isOpen ? (
        <div className="cm-stack">
          <form
            className="cm-form"
            aria-label={t`Guide of ${label.name}`}
            onSubmit={(event) => {
              event.preventDefault();
              save();
            }}
          >
            <TextInput
              label={t`Name`}
              value={name ?? label.name}
              maxLength={200}
              error={nameError}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Textarea
              label={t`Guide`}
              description={t`Plain text; an empty line begins a new paragraph.`}
              autosize
              minRows={4}
              maxRows={24}
              maxLength={20_000}
              value={newGuide}
              onChange={(event) => setGuide(event.currentTarget.value)}
            />
            <ProblemNote error={change.error} />
            <div>
              <Button
                type="submit"
                variant="primary"
                busy={change.isPending}
                disabled={!isChanged || nameError !== null}
              >
                <Trans>Save</Trans>
              </Button>
            </div>
          </form>
          <Pictures projectId={projectId} label={label} />
        </div>
      ) : null}
      <h3 className="cm-quiet">
        <Trans>As people see it</Trans>
      </h3>
      <GuideView label={label} text={newGuide} />
      <Confirm
        open={isAsking}
        onClose={() => setIsAsking(false)}
        onConfirm={() => remove.mutate(label.index, { onSuccess: () => setIsAsking(false) })}
        title={t`Delete ${label.name}?`}
        confirmLabel={t`Delete`}
        busy={remove.isPending}
        error={remove.error}
      >
        <p>
          <Trans>
            Nobody gets new tasks for it, and it is left out of new datasets. Work that was begun stays valid
            and can be finished. Its number {label.index} is not used again.
          </Trans>
        </p>
      </Confirm>
    </section>
  );
}

/** The guide as the annotator's page shows it. */
function GuideView({ label, text }: { label: Schema<"LabelAnswer">; text: string }) {
  if (text.trim() === "" && label.pictures.length === 0) {
    return (
      <p className="cm-quiet">
        <Trans>No guide yet. People see only the name.</Trans>
      </p>
    );
  }
  return (
    <div>
      <p className="cm-guide">{text}</p>
      <ul className="cm-guide-pictures">
        {label.pictures.map((picture) => (
          <li key={picture.id}>
            <figure>
              <img src={picture.url} alt={picture.caption || label.name} loading="lazy" />
              <figcaption className="cm-quiet">{picture.caption}</figcaption>
            </figure>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Pictures({ projectId, label }: { projectId: string; label: Schema<"LabelAnswer"> }) {
  const { t } = useLingui();
  const { addPicture, removePicture } = useLabelChanges(projectId);
  const [caption, setCaption] = useState("");
  const [share, setShare] = useState(0);
  const [asked, setAsked] = useState<Schema<"PictureAnswer"> | null>(null);

  function send(file: File | null): void {
    if (file === null) return;
    setShare(0);
    addPicture.mutate(
      { index: label.index, file, caption: caption.trim(), onProgress: setShare },
      { onSuccess: () => setCaption("") },
    );
  }

  return (
    <fieldset className="cm-fieldset">
      <legend>
        <Trans>Pictures</Trans>
      </legend>
      {label.pictures.length > 0 ? (
        <ul className="cm-plain-list">
          {label.pictures.map((picture, at) => (
            <li key={picture.id} className="cm-row">
              <span className="cm-break">{picture.caption || t`Picture ${at + 1}`}</span>
              <Button
                size="small"
                aria-label={t`Delete the picture ${picture.caption || at + 1}`}
                onClick={() => setAsked(picture)}
              >
                <Trans>Delete</Trans>
              </Button>
            </li>
          ))}
        </ul>
      ) : null}
      <TextInput
        label={t`Caption of the next picture`}
        description={t`Say what it shows: it is read out to those who do not see it.`}
        value={caption}
        maxLength={200}
        onChange={(event) => setCaption(event.currentTarget.value)}
      />
      <FileButton accept="image/png,image/jpeg,image/webp" onChange={send} key={label.pictures.length}>
        {(props) => (
          <Button busy={addPicture.isPending} onClick={props.onClick}>
            <Trans>Upload a picture (PNG, JPEG or WebP, up to 10 MB)</Trans>
          </Button>
        )}
      </FileButton>
      {addPicture.isPending ? (
        <ProgressBar label={t`Upload`} value={Math.round(share * 100)} max={100} />
      ) : null}
      <ProblemNote error={addPicture.error} />
      <Confirm
        open={asked !== null}
        onClose={() => setAsked(null)}
        onConfirm={() =>
          asked !== null && removePicture.mutate(asked.id, { onSuccess: () => setAsked(null) })
        }
        title={t`Delete this picture?`}
        confirmLabel={t`Delete`}
        busy={removePicture.isPending}
        error={removePicture.error}
      >
        <p>{asked?.caption}</p>
      </Confirm>
    </fieldset>
  );
}
