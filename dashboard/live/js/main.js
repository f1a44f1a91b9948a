// Streamlit calls this once at mount and again on every rerun, with the same root and fresh data.
Object.assign(VIEWS, { overview: Wall, alarms: Alarms, orders: Board, mine: Mine, emergency: Emergency, me: Me });
const apps = new WeakMap();
export default function (component) {
  const root = component.parentElement;
  if (!apps.has(root)) apps.set(root, new App(root));
  apps.get(root).take(component);
  return () => { apps.get(root)?.close(); apps.delete(root); };
}
