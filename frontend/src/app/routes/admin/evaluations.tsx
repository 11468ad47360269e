export { EvaluationsPage as EvaluationsRoute } from "@/features/evaluations/evaluations-page";
