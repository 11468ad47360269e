import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import { myAssignmentsQuery, myProgressQuery } from "@/api/queries";
import { Confirm } from "@/shared/ui/confirm";
import { useToasts } from "@/shared/ui/toast";
import type { Assignment } from "./groups";

export function GiveBack({
  task,
  title,
  unsent,
  onClose,
}: {
  task: Assignment;
  title: string;
  unsent: number;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const toasts = useToasts();
  const giveBack = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/assignments/{assignment_id}/give-back", {
          params: { path: { assignment_id: task.id } },
        }),
      ),
    onSuccess: async () => {
      toasts.show({ text: t`${title}, ${task.volume_name}: given back.` });
      onClose();
      await Promise.all([
        queryClient.invalidateQueries({ queryKey: myAssignmentsQuery().queryKey }),
        queryClient.invalidateQueries({ queryKey: myProgressQuery().queryKey }),
      ]);
    },
  });
  return (
    <Confirm
      open
      onClose={onClose}
      onConfirm={() => giveBack.mutate()}
      title={t`Give this task back?`}
      confirmLabel={t`Give back`}
      busy={giveBack.isPending}
      error={giveBack.error}
    >
      <p>
        {title}, {task.volume_name}
      </p>
      <p>
        <Trans>
          Somebody else can then do it, and you are not offered it again. What you have saved is kept.
        </Trans>
      </p>
      {unsent > 0 ? (
        <p>
          <Plural
            value={unsent}
            one="# change is only on this device. Continue the task first, so that it is sent."
            other="# changes are only on this device. Continue the task first, so that they are sent."
          />
        </p>
      ) : null}
    </Confirm>
  );
}
