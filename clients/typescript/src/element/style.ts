/**
 * How the element stands in its page, as one style sheet of text: it is adopted by the shadow root, which a page's
 * policy allows where it allows no style of its own. `!important` here wins over the page's `!important`, so that no
 * rule of a page takes the box apart; sizes are not, so that a page may set them.
 */
export const STYLE = `
:host{display:block!important;box-sizing:border-box!important;block-size:var(--moorline-height,35rem)}
:host([hidden]),:host([open="false"]:not([display=floating])){display:none!important}
:host([display=floating]){position:fixed!important;inset:auto 0 0 auto!important;inline-size:0!important;block-size:0!important;
z-index:var(--moorline-z,2147483000)!important}
.box,.frame,.problem,.launcher{all:initial;display:grid;box-sizing:border-box;font:16px/1.5 system-ui,sans-serif}
.box,.frame{inline-size:100%;block-size:100%;border:0}
.box{position:relative;grid-template:minmax(0,1fr)/minmax(0,1fr);min-block-size:var(--moorline-height,20rem);container-type:size;overflow:clip;
border-radius:var(--moorline-radius,0)}
:host([display=floating]) .box{position:fixed;inset:auto 16px 88px auto;min-block-size:0;
inline-size:min(var(--moorline-width,400px),100vw - 32px);block-size:min(var(--moorline-height,600px),100dvh - 104px);
border-radius:var(--moorline-radius,16px);box-shadow:0 0 0 1px #0f2f3a1f,0 16px 48px #0f2f3a47}
@media (max-width:480px){:host([display=floating]) .box{inset:0;inline-size:auto;block-size:auto;border-radius:0}}
.problem{padding:1em;color:CanvasText}
.launcher{position:fixed;inset:auto 16px 16px auto;place-items:center;inline-size:56px;block-size:56px;
border:1px solid transparent;border-radius:50%;cursor:pointer;
background:var(--moorline-ink,light-dark(#12272e,#e4ebed));color:var(--moorline-on-ink,light-dark(#fff,#101a1d));
box-shadow:0 4px 16px #0f2f3a47}
.launcher:focus-visible{outline:2px solid var(--moorline-accent,#0f5b71);outline-offset:2px}
svg{inline-size:24px;fill:none;stroke:currentColor;stroke-width:1.8}
.count{position:absolute;inset:-4px -4px auto auto;padding:0 7px;border-radius:11px;background:#f5b942;color:#2a1b00;
font-size:12px;line-height:22px}
@media (max-width:480px){.launcher[aria-expanded=true]{display:none}}
.box[hidden],.launcher[hidden],.count:empty{display:none}
@media (forced-colors:active){.launcher,.box{border:1px solid ButtonBorder}}
`;
