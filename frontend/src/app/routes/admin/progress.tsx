export { ProgressPage as ProgressRoute } from "@/features/progress/progress-page";
