// Justified rows: images of any shape in rows of nearly the same height that all fill the width.

// Choose where rows break so that their heights are as near as possible to a wanted one. `ratios` are widths divided by
// heights. Returns for each row its height and the number of its images. The least sum of squared relative deviations
// is found by dynamic programming over the breaks.
export function justify(ratios, width, wanted, gap) {
  const count = ratios.length;
  const cost = new Float64Array(count + 1).fill(Infinity);
  const before = new Int32Array(count + 1);
  cost[0] = 0;
  for (let end = 1; end <= count; end++) {
    let sum = 0;
    for (let start = end - 1; start >= 0; start--) {
      sum += ratios[start];
      const height = (width - gap * (end - start - 1)) / sum;
      if (height < wanted / 3 && start < end - 1) break;
      const loss = cost[start] + deviation(height / wanted);
      if (loss < cost[end]) [cost[end], before[end]] = [loss, start];
    }
  }
  const rows = [];
  for (let end = count; end > 0; end = before[end]) {
    const images = end - before[end];
    const sum = ratios.slice(before[end], end).reduce((a, b) => a + b, 0);
    rows.push({ images, height: Math.min((width - gap * (images - 1)) / sum, TALLEST * wanted) });
  }
  return rows.reverse();
}

const TALLEST = 1.5; // a row that would be taller is not filled
const deviation = (part) => (part > 1 ? part - 1 : 1 / part - 1) ** 2;

// Shapes beyond these are cut: a panorama would be a line, a scroll a column.
export const shapeOf = ({ width, height }) => Math.min(3.5, Math.max(0.4, width / height || 1));
