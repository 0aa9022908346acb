internal import FramedMessages
internal import TerraneMessages

/// A raster dataset that is served, as text.
struct RasterReport {
  var columns: Int

  /// - Parameters:
  ///   - heading: status, name and time.
  ///   - places: where the places of its warnings are told; empty: it has none.
  ///   - end: what goes on beside it.
  func text(_ dataset: Dataset, _ result: DatasetResult, heading: String, places: String, end: String) -> String {
    var block = TextBlock(columns: columns)
    let first = result.rasters[0]
    block.line("\(heading)  \(size(first))")
    block.line()
    block.fact("Data", TerminalText.sanitised(result.endpoint))
    block.fact(
      "Browser", TerminalText.sanitised(result.endpoint.hasSuffix("/") ? result.endpoint : result.endpoint + "/"))
    for raster in result.rasters.prefix(3) {
      block.fact("Map tiles", TerminalText.sanitised(raster.tilesURL))
      block.fact("QGIS", "Layer > Add Layer > Add WMS/WMTS Layer, New; URL:")
      block.fact("", TerminalText.sanitised(raster.wmtsURL))
      if !raster.tileCacheURL.isEmpty {
        block.fact(
          "Tiles drawn", "\(TerminalText.sanitised(raster.tileCacheURL)) (zoom 0 to \(raster.tileCacheMaxzoom))")
      }
      if raster.sceneCount > 0 {
        block.fact("Scenes", TerminalText.sanitised(raster.scenesURL))
        block.fact("MosaicJSON", TerminalText.sanitised(raster.mosaicjsonURL))
        let scenes = Quantity.count(Int64(raster.sceneCount), "scene")
        block.fact("Files", "\(Quantity.bytes(raster.bytes)) in \(scenes)")
        continue
      }
      block.fact("File", "\(TerminalText.sanitised(raster.downloadURL))  (\(Quantity.bytes(raster.bytes)))")
    }
    // Of a mosaic a list: each scene has an item.
    block.fact(first.sceneCount > 0 ? "STAC items" : "STAC item", TerminalText.sanitised(result.stacItemURL))
    block.line()
    block.line("  Bands")
    block.table(Self.rows(of: first.bands.prefix(20)))
    if first.bands.isEmpty { block.line("    \(Quantity.count(Int64(first.bandCount), "band"))") }
    if first.bands.count > 20 { block.line("    and \(first.bands.count - 20) more") }
    let lines = treatment(dataset, result, first)
    if !lines.isEmpty {
      block.line()
      block.line("  What was done to the data")
      for line in lines {
        for (index, text) in TerminalText.wrapped(line, to: columns - 6).enumerated() {
          block.line((index == 0 ? "    - " : "      ") + text)
        }
      }
      if !places.isEmpty { block.line("    \(places)") }
    }
    return block.text + end
  }

  private func size(_ raster: ServedRaster) -> String {
    let bands = raster.bands.isEmpty ? Int64(raster.bandCount) : Int64(raster.bands.count)
    let scenes = raster.sceneCount > 0 ? "\(Quantity.count(Int64(raster.sceneCount), "scene")), " : ""
    return scenes + "\(Quantity.count(Int64(raster.width))) x \(Quantity.count(Int64(raster.height))) pixels, "
      + "\(Quantity.count(bands, "band")), \(TerminalText.sanitised(raster.kind))"
  }

  /// A row for each band: its number, colour, type, values and what stands for nothing.
  static func rows(of bands: some Collection<RasterBand>) -> [[String]] { bands.enumerated().map(row) }

  private static func row(_ index: Int, _ band: RasterBand) -> [String] {
    var cells = ["\(index + 1)", TerminalText.sanitised(band.colour), TerminalText.sanitised(band.type)]
    if let found = band.statistics {
      cells.append("\(short(found.minimum)) to \(short(found.maximum))\(band.unit.isEmpty ? "" : " " + band.unit)")
      cells.append("mean \(short(found.mean))")
    }
    if !band.nodata.isEmpty { cells.append("nothing is \(band.nodata)") }
    return cells.map(TerminalText.sanitised)
  }

  /// Six digits are enough to look at.
  private static func short(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e9, value != value.rounded() else {
      return abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
    let digits = max(0, 5 - Int(max(1, abs(value)).exponent) / 3)
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    return "\((value * scale).rounded() / scale)"
  }

  private func treatment(_ dataset: Dataset, _ result: DatasetResult, _ raster: ServedRaster) -> [String] {
    guard let treatment = result.treatment, let done = treatment.raster else { return [] }
    let isServed = dataset.operation?.state == .succeeded || dataset.operation == nil
    let warnings = dataset.warnings.filter { isServed && $0.count > 0 }.map { "warning " + WarningText.line($0) }
    if case .mosaic(let made)? = dataset.spec?.source {
      let names = made.datasets.prefix(10).map {
        TerminalText.sanitised("\(DatasetReference($0, key: ""))")
      }
      let more = made.datasets.count > 10 ? ", and \(made.datasets.count - 10) more" : ""
      return ["made of \(names.joined(separator: ", "))\(more); no pixel was copied"] + warnings
    }
    var lines = [
      "read \(Quantity.count(Int64(done.sourceWidth))) x \(Quantity.count(Int64(done.sourceHeight))) pixels"
    ]
    if done.nodataShare > 0 { lines.append("\(percent(done.nodataShare)) of them are nothing") }
    let from = TerminalText.sanitised(treatment.sourceCrs)
    let to = TerminalText.sanitised(raster.crs)
    lines.append(from == to ? "pixels left in \(from)" : "pixels moved from \(from) to \(to) (\(done.resampling))")
    lines.append(
      "compressed with \(TerminalText.sanitised(done.compression))"
        + (done.lossy ? ": values may differ a little from the source's" : ", without loss"))
    lines.append(
      done.overviews > 0
        ? "\(Quantity.count(Int64(done.overviews), "overview")) made (\(TerminalText.sanitised(done.resampling)))"
        : "no overviews")
    return lines + warnings
  }

  private func percent(_ share: Double) -> String { "\(Self.short((share * 1_000).rounded() / 10)) %" }
}
