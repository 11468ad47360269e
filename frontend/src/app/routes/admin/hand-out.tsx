export { HandOutPage as HandOutRoute } from "@/features/progress/hand-out-page";
