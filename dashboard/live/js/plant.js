// What of the site is a main meter, a feeder, a lift, a fire zone: read off the site, never hard-wired.
const plantOf = (house) => {
  if (house.plant?.site === house.site) return house.plant;
  const { site } = house;
  const has = (unit, point) => house.points.has(`${unit.id}/${point}`);
  const fed = new Set(site.units.flatMap((unit) => unit.feeds ?? []));
  const meters = site.units.filter((unit) => has(unit, 'active_power'));
  const mains = meters.filter((unit) => !fed.has(unit.id));
  const lifts = site.units.filter((unit) => has(unit, 'floor')).map((unit) => ({ unit, board: site.units.find((each) => each.part_of === unit.id) }));
  const zones = site.units.flatMap((unit) => (unit.zones ?? []).map((zone) => ({ zone, unit })));
  const branches = mains.map((main) => ({ main, feeders: meters.filter((unit) => (main.feeds ?? []).includes(unit.id)) }));
  house.plant = { site, meters, mains, lifts, zones, branches };
  return house.plant;
};

const TRAPPED = ['trapped_between_floors', 'trapped_at_floor'];
const MODES = { inspection: 0, fault: 5, automatic: 7 }; // catalog/profiles/monarch-nice3000.yaml
const OUT_OF_USE = [0, 1, 8, 9, 12, 13, 14];

// {floor, direction, known, trapped, fault, off}
function liftState(house, { unit, board }) {
  const read = (point) => house.read(`${unit.id}/${point}`);
  const floor = read('floor');
  const mode = read('mode');
  const trapped = board && TRAPPED.some((point) => { const last = house.read(`${board.id}/${point}`); return last.known && last.value >= 1; });
  const direction = read('direction');
  const fault = read('fault_code');
  return {
    known: floor.known, floor: floor.value, at: floor.at, trapped: Boolean(trapped), mode: mode.known ? mode.value : null,
    moving: direction.known ? { 1: 1, 2: -1 }[direction.value] ?? 0 : 0,
    fault: (fault.known && fault.value > 0) || (mode.known && mode.value === MODES.fault),
    off: mode.known && OUT_OF_USE.includes(mode.value),
  };
}

// The worst open alarm of these units, for a tile or a node; one that has returned only when no other is.
const worst = (house, units) => {
  const own = house.openAlarms().filter((alarm) => units.includes(alarm.unit)).sort((a, b) => a.priority - b.priority);
  return own.find(isActive) ?? own[0] ?? null;
};
const floorName = (n) => (n > 0 ? String(n) : `B${Math.max(1, -n)}`);
const range = (text) => {
  const [low, high] = String(text ?? '').split('..').map((each) => (each.startsWith('B') ? -Number(each.slice(1)) : Number(each)));
  return Number.isFinite(low) && Number.isFinite(high) ? [low, high] : [1, 1];
};
