import { Trans, useLingui } from "@lingui/react/macro";
import { TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { derivedMasksQuery, masksQuery } from "@/api/mask-queries";
import type { Schema } from "@/api/queries";
import { derivedWords } from "@/shared/texts/derived";
import { dayAndTime, sliceNumber } from "@/shared/texts/format";
import { Button, LinkButton } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { LoadMore } from "@/shared/ui/load-more";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { Status } from "@/shared/ui/status";
import { DataTable } from "@/shared/ui/table";

/** The masks made of submitted work. */
export function MasksPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const [search, setSearch] = useState("");
  const [wanted] = useDebouncedValue(search.trim(), 300);
  const masks = useInfiniteQuery(masksQuery(projectId, wanted));
  const derived = useInfiniteQuery(derivedMasksQuery(projectId, wanted));
  const shown = masks.data?.pages.flatMap((page) => page.items) ?? [];
  const shownDerived = derived.data?.pages.flatMap((page) => page.items) ?? [];
  const isEmpty = masks.isSuccess && derived.isSuccess && shown.length === 0 && shownDerived.length === 0;
  // The field stays while somebody types into it, whatever is found.
  const isSearched = search !== "" || wanted !== "";
  return (
    <>
      <PageHead title={t`Masks`}>
        <p className="cm-quiet">
          <Trans>
            Made by a model from the boxes that people drew; each lies on the grid of its scan's file. The
            value inside is the organ's number.
          </Trans>
        </p>
      </PageHead>
      {masks.isPending || derived.isPending ? <Loading /> : null}
      <ProblemNote error={masks.error ?? derived.error} />
      {isEmpty && !isSearched ? (
        <EmptyState title={t`No masks yet`}>
          <p>
            <Trans>A mask is made by itself when somebody submits a task.</Trans>
          </p>
        </EmptyState>
      ) : null}
      {isSearched || shown.length > 0 || shownDerived.length > 0 ? (
        <div className="cm-stack">
          <TextInput
            label={t`Search by scan, organ or person`}
            type="search"
            maw="24rem"
            maxLength={200}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          {isEmpty && isSearched ? (
            <EmptyState
              title={t`No mask is like that`}
              action={
                <Button onClick={() => setSearch("")}>
                  <Trans>Show all masks</Trans>
                </Button>
              }
            />
          ) : null}
          {shown.length > 0 ? (
            <DataTable caption={t`Masks of submitted work`}>
              <Head by={t`Boxes by`} />
              <tbody>
                {shown.map((mask) => (
                  <MaskRow
                    key={mask.segmentation.id}
                    projectId={projectId}
                    mask={mask}
                    made={mask.segmentation}
                    address={`/api/v1/segmentations/${mask.segmentation.id}`}
                    by={mask.annotator}
                    state={mask.annotation_state}
                  />
                ))}
              </tbody>
            </DataTable>
          ) : null}
          <LoadMore list={masks} label={t`Load more masks of submitted work`} />
          {shownDerived.length > 0 ? (
            <DataTable caption={t`Masks that datasets asked for`} showCaption>
              <Head by={t`Made of`} />
              <tbody>
                {shownDerived.map((mask) => (
                  <MaskRow
                    key={mask.id}
                    projectId={projectId}
                    mask={mask}
                    made={mask}
                    address={`/api/v1/derived-masks/${mask.id}`}
                    by={derivedWords(mask)}
                  />
                ))}
              </tbody>
            </DataTable>
          ) : null}
          <LoadMore list={derived} label={t`Load more masks that datasets asked for`} />
          <p className="cm-quiet">
            <Trans>
              Model's own estimate: how well the model thinks it did, 0 to 1, on its weakest slice. Doubtful:
              a Dice below 0.7 is to be expected there. Both are no measurement; look at those slices first.
            </Trans>
          </p>
        </div>
      ) : null}
    </>
  );
}

function Head({ by }: { by: string }) {
  const { t } = useLingui();
  return (
    <thead>
      <tr>
        <th scope="col">{t`Scan`}</th>
        <th scope="col">{t`Organ`}</th>
        <th scope="col">{by}</th>
        <th scope="col">{t`Model`}</th>
        <th scope="col">{t`Slices`}</th>
        <th scope="col" data-number>
          {t`Model's own estimate`}
        </th>
        <th scope="col">{t`Doubtful slices`}</th>
        <th scope="col">{t`Made`}</th>
        <th scope="col">{t`Actions`}</th>
      </tr>
    </thead>
  );
}

function MaskRow({
  projectId,
  mask,
  made,
  address,
  by,
  state,
}: {
  projectId: string;
  mask: Schema<"ProjectMaskAnswer"> | Schema<"DerivedMaskAnswer">;
  made: Schema<"SegmentationAnswer"> | Schema<"DerivedMaskAnswer">;
  address: string;
  by: string;
  /** Of the work; left out where there is none. */
  state?: Schema<"AnnotationState">;
}) {
  const { t } = useLingui();
  const { drawn, filled, suggested, doubtful, predicted_iou } = made;
  const estimates = Object.values(predicted_iou).map(Number);
  const guessed = suggested.length;
  return (
    <tr>
      <th scope="row" className="cm-break">
        {mask.volume_name}
      </th>
      <td>
        {mask.label_index} {mask.label_name}
      </td>
      <td>
        {by} {state === "accepted" ? <Status tone="good">{t`accepted`}</Status> : null}
      </td>
      <td>{made.model}</td>
      <td>
        {t`${drawn} drawn, ${filled} filled in`}
        {guessed > 0 ? <span className="cm-suggested">{t`, ${guessed} suggested by completion`}</span> : null}
      </td>
      <td data-number>{estimates.length > 0 ? Math.min(...estimates).toFixed(2) : "–"}</td>
      <td>{numbersOf(doubtful)}</td>
      <td>{dayAndTime(made.created_at)}</td>
      <td>
        <Link
          className="cm-button"
          data-size="small"
          to="/admin/projects/$projectId/review"
          params={{ projectId }}
          search={{ volume: mask.volume_id, label: mask.label_index, mask: made.id }}
          aria-label={t`Look at it in 3D: ${mask.label_name} in ${mask.volume_name} by ${by}`}
        >
          <Trans>Look at it in 3D</Trans>
        </Link>{" "}
        <LinkButton
          size="small"
          variant="secondary"
          href={`${address}/file`}
          download
          aria-label={t`Download the mask of ${mask.label_name} in ${mask.volume_name} by ${by}`}
        >
          <Trans>Download</Trans>
        </LinkButton>
      </td>
    </tr>
  );
}

const SHOWN = 8;

/** The numbers of slices, as people count them; of many the first. */
function numbersOf(slices: readonly number[]): string {
  if (slices.length === 0) return "–";
  const numbers = slices.slice(0, SHOWN).map(sliceNumber).join(", ");
  return slices.length > SHOWN ? `${numbers} … (${slices.length})` : numbers;
}
