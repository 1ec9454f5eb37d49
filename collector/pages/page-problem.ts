import { type Html, html } from './html.ts';
import { type Frame, layout } from './layout.ts';

/** What a person sees instead of a page. */
export const problemPage = (
  frame: Pick<Frame, 'assetsUrl' | 'nowMs'>,
  problem: { title: string; advice: string },
): Html =>
  layout(frame, {
    title: problem.title,
    section: null,
    body: html`<h1>${problem.title}</h1><p>${problem.advice}</p><p><a href="/">To the applications</a></p>`,
  });
