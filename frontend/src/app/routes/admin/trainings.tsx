export { TrainingsPage as TrainingsRoute } from "@/features/trainings/trainings-page";
