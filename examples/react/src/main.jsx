import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "@moorline/client";
import { MoorlineProvider } from "@moorline/client/react";
import { Chat } from "./Chat.jsx";

const root = document.querySelector("#root");
const client = createClient({
  url: `${root.dataset.server}/ws`,
  getToken: async () => (await fetch(`/token${location.search}`)).text(),
});

createRoot(root).render(
  <StrictMode>
    <MoorlineProvider client={client}>
      <Chat id="ops" />
    </MoorlineProvider>
  </StrictMode>,
);
