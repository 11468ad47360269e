import type { HTMLAttributes, ReactNode } from "react";

export interface CardProps extends HTMLAttributes<HTMLElement> {
  readonly as?: "section" | "article" | "li" | "div";
  readonly children: ReactNode;
}

export function Card({ as: Element = "section", className, children, ...rest }: CardProps) {
  return (
    <Element {...rest} className={className ? `cm-card ${className}` : "cm-card"}>
      {children}
    </Element>
  );
}
