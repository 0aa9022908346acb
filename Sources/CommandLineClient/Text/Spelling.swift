/// What somebody may have meant.
public enum Spelling {
  /// The word that is nearest to what was typed: its beginning, or a letter or two away. Nil where none is near.
  public static func nearest(to typed: String, among words: [String]) -> String? {
    let allowed = max(1, typed.count / 3)
    let near = words.map { (word: $0, distance: distance(typed, $0)) }.filter { $0.distance <= allowed }
    if let best = near.min(by: { $0.distance < $1.distance }) { return best.word }
    return typed.count > 1 ? words.first { $0.hasPrefix(typed) } : nil
  }

  /// Letters added, left out, exchanged, or swapped with their neighbour (optimal string alignment).
  static func distance(_ first: String, _ second: String) -> Int {
    let (a, b) = (Array(first.lowercased()), Array(second.lowercased()))
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }

  /// The pattern that a shell has made these files of, as far as they tell: `dem_a.tif dem_b.tif` → `dem_*.tif`. Nil where they
  /// are no rasters of one folder: only those are asked for by a pattern.
  public static func pattern(of files: [String]) -> String? {
    let parts = files.map { file in
      let slash = file.lastIndex(of: "/").map { file.index(after: $0) } ?? file.startIndex
      return (folder: file[..<slash], name: file[slash...])
    }
    let ending = [".tif", ".tiff", ".TIF", ".TIFF"].first { end in parts.allSatisfy { $0.name.hasSuffix(end) } }
    guard files.count > 1, let first = parts.first, Set(parts.map(\.folder)).count == 1, let ending else { return nil }
    let bases = parts.map { $0.name.dropLast(ending.count) }
    let shared = bases.dropFirst().reduce(first.name.dropLast(ending.count)) { shared, base in
      shared.prefix(zip(shared, base).prefix { $0 == $1 }.count)
    }
    return "\(first.folder)\(shared)*\(ending)"
  }
}
