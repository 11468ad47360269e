import { t } from "@lingui/core/macro";
import type { ProjectRole } from "../roles";

export function roleWord(role: ProjectRole): string {
  switch (role) {
    case "annotator":
      return t`Annotator`;
    case "reviewer":
      return t`Reviewer`;
    case "researcher":
      return t`Researcher`;
    case "admin":
      return t`Admin`;
  }
}

/** What a person of that role can do. */
export function roleMeaning(role: ProjectRole): string {
  switch (role) {
    case "annotator":
      return t`Draws boxes; sees only their own tasks.`;
    case "reviewer":
      return t`Draws boxes too; sees everybody's progress and masks.`;
    case "researcher":
      return t`Sees progress and masks, makes datasets and evaluations; draws nothing.`;
    case "admin":
      return t`May do everything in this project.`;
  }
}
