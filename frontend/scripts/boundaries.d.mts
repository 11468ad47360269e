export function importsOf(text: string): { module: string; line: number }[];
export function resolved(file: string, module: string): string | null;
export function broken(file: string, module: string): string | null;
export function check(root: string): string[];
