export { ReviewPage as ReviewRoute } from "@/features/review/review-page";
