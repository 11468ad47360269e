export { NewProjectPage as NewProjectRoute } from "@/features/projects/new-project-page";
export { ProjectsPage as ProjectsRoute } from "@/features/projects/projects-page";
