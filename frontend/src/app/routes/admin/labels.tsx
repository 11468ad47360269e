export { LabelsPage as LabelsRoute } from "@/features/projects/labels-page";
