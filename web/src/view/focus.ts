// Where the focus is. The page's own document knows; inside a widget only the widget's shadow root does.

/** What has the focus among the elements that this one stands among. */
export function focusedAround(element: Node): Element | null {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.activeElement : document.activeElement;
}
