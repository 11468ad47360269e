export { ReportPage as ReportRoute } from "@/features/evaluations/report-page";
