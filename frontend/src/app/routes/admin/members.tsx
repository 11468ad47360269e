export { MembersPage as MembersRoute } from "@/features/members/members-page";
