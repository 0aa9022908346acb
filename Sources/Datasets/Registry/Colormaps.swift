/// Names of the colour maps that the data API knows: rio-tiler's. A test of the data API holds this list against its own.
public enum Colormaps {
  public static let names: Set<String> = {
    let both = inBothDirections.split(whereSeparator: \.isWhitespace).map(String.init)
    return Set(both + both.map { $0 + "_r" } + ["cfastie", "rplumbo", "schwarzwald"])
  }()

  /// Those that begin as a name does, for whoever has misspelt it.
  public static func like(_ name: String) -> [String] {
    for length in stride(from: min(name.count, 4), through: 1, by: -1) {
      let found = names.filter { $0.hasPrefix(name.prefix(length)) && !$0.hasSuffix("_r") }.sorted()
      if !found.isEmpty { return Array(found.prefix(8)) }
    }
    return ["gray", "terrain", "viridis"]
  }

  /// Each also turned round, as `NAME_r`.
  private static let inBothDirections = """
    accent afmhot algae amp autumn balance binary blues bone brbg brg bugn bupu bwr cividis cmrmap cool coolwarm
    copper cubehelix curl dark2 deep delta dense diff flag gist_earth gist_gray gist_heat gist_ncar gist_rainbow
    gist_stern gist_yarg gnbu gnuplot gnuplot2 gray greens greys haline hot hsv ice inferno jet magma matter
    nipy_spectral ocean oranges orrd oxy paired pastel1 pastel2 phase pink piyg plasma prgn prism pubu pubugn puor
    purd purples rain rainbow rdbu rdgy rdpu rdylbu rdylgn reds seismic set1 set2 set3 solar spectral speed spring
    summer tab10 tab20 tab20b tab20c tarn tempo terrain thermal topo turbid turbo twilight twilight_shifted viridis
    winter wistia ylgn ylgnbu ylorbr ylorrd
    """
}
