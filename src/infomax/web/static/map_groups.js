// Groups of points that have a color: labels, or folders if the index has no labels.

// Returns the kind of group, the name and the filter value of each, and for each image the index of its group or -1.
export function groupsOf(map, root) {
  if (map.labels.length) return { kind: "label", names: map.labels, values: map.labels, of: map.label };
  const start = `${root}/`;
  const tops = map.folders.map((folder) => (folder.startsWith(start) ? folder.slice(start.length).split("/")[0] : null));
  const names = [...new Set(tops)].filter((name) => name !== null).sort();
  const groups = tops.map((name) => names.indexOf(name));
  return {
    kind: "folder",
    names,
    values: names.map((name) => start + name),
    of: map.folder.map((index) => (index < 0 ? -1 : groups[index])),
  };
}
