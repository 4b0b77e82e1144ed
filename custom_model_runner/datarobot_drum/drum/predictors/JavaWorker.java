import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.SynchronousQueue;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/**
 * Runs Java models for the Python program that started it: {@code java JavaWorker.java REQUESTS ANSWERS}.
 *
 * <p>REQUESTS and ANSWERS are file descriptors; frames.py tells the form of a message. Model libraries have a class loader
 * of their own and are called by reflection: this file needs none of them to be compiled, and none can hide its classes.
 * CSV comes in and goes out.
 */
public final class JavaWorker {
  private JavaWorker() {}

  public static void main(String[] arguments) throws Exception {
    DataInputStream requests =
        new DataInputStream(new BufferedInputStream(new FileInputStream("/dev/fd/" + arguments[0]), 1 << 16));
    DataOutputStream answers =
        new DataOutputStream(new BufferedOutputStream(new FileOutputStream("/dev/fd/" + arguments[1]), 1 << 16));
    SynchronousQueue<Frame> queue = new SynchronousQueue<>();
    Thread reader = new Thread(() -> readAll(requests, queue), "requests");
    reader.setDaemon(true);
    reader.start();
    Worker worker = new Worker();
    while (true) {
      Frame answer = worker.answer(queue.take());
      System.out.flush();
      answer.write(answers);
    }
  }

  /** Read on while a prediction runs: the end of the stream means that nobody waits for it any more. */
  private static void readAll(DataInputStream requests, SynchronousQueue<Frame> queue) {
    try {
      while (true) {
        queue.put(Frame.read(requests));
      }
    } catch (EOFException end) {
      Runtime.getRuntime().halt(0);
    } catch (IOException | InterruptedException | RuntimeException error) {
      error.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
  }
}

/** One message. */
final class Frame {
  private static final byte[] MAGIC = "DRM1".getBytes(StandardCharsets.US_ASCII);

  final Map<String, Object> header;
  final List<byte[]> parts;

  Frame(Map<String, Object> header, List<byte[]> parts) {
    this.header = header;
    this.parts = parts;
  }

  static Frame read(DataInputStream input) throws IOException {
    byte[] magic = new byte[MAGIC.length];
    input.readFully(magic);
    if (!Arrays.equals(magic, MAGIC)) {
      throw new IOException("a request does not start as a frame does");
    }
    byte[] text = new byte[input.readInt()];
    input.readFully(text);
    Map<String, Object> header = Json.parse(new String(text, StandardCharsets.UTF_8));
    List<byte[]> parts = new ArrayList<>();
    for (Object size : (List<?>) header.get("parts")) {
      byte[] part = new byte[Math.toIntExact(((Number) size).longValue())];
      input.readFully(part);
      parts.add(part);
    }
    return new Frame(header, parts);
  }

  void write(DataOutputStream output) throws IOException {
    List<Object> sizes = new ArrayList<>();
    for (byte[] part : parts) {
      sizes.add(part.length);
    }
    header.put("parts", sizes);
    byte[] text = Json.format(header).getBytes(StandardCharsets.UTF_8);
    output.write(MAGIC);
    output.writeInt(text.length);
    output.write(text);
    for (byte[] part : parts) {
      output.write(part);
    }
    output.flush();
  }

  String text(String name) {
    Object value = header.get(name);
    return value == null ? null : value.toString();
  }

  @SuppressWarnings("unchecked")
  Map<String, Object> map(String name) {
    return (Map<String, Object>) header.get(name);
  }
}

/** An error for the program: {@code kind} is "input", "output", "load" or "predict". */
final class Failure extends Exception {
  private static final long serialVersionUID = 1L;
  final String kind;

  Failure(String kind, String message) {
    super(message);
    this.kind = kind;
  }
}

/** A model that was loaded: CSV in, CSV out. */
interface Scorer {
  byte[] predict(byte[] csv) throws Exception;

  default Object predictUnstructured(byte[] data, Map<String, Object> arguments) throws Exception {
    throw new Failure("output", "the Java model has no method predictUnstructured");
  }

  default boolean answersUnstructured() {
    return false;
  }
}

/** The operations. */
final class Worker {
  /** An error may quote the data; a header that is too long would be taken for garbage. */
  private static final int LONGEST_MESSAGE = 1 << 20;

  private Scorer scorer;

  Frame answer(Frame request) {
    try {
      return run(request);
    } catch (Throwable thrown) {
      Throwable error = thrown;
      while (error instanceof InvocationTargetException && error.getCause() != null) {
        error = error.getCause();
      }
      boolean isOwn = error instanceof Failure;
      if (!isOwn) {
        error.printStackTrace();
      }
      Map<String, Object> header = new LinkedHashMap<>();
      header.put("status", "error");
      header.put("kind", isOwn ? ((Failure) error).kind : request.text("op"));
      String message = String.valueOf(isOwn ? error.getMessage() : error.toString());
      header.put("message", message.substring(0, Math.min(message.length(), LONGEST_MESSAGE)));
      return new Frame(header, Collections.emptyList());
    }
  }

  private Frame run(Frame request) throws Exception {
    Map<String, Object> header = new LinkedHashMap<>();
    header.put("status", "ok");
    switch (request.text("op")) {
      case "load":
        scorer = Loader.load(request);
        header.put("unstructured", scorer.answersUnstructured());
        return new Frame(header, Collections.emptyList());
      case "predict":
        return new Frame(header, Collections.singletonList(scorer.predict(request.parts.get(0))));
      case "unstructured":
        Object body = scorer.predictUnstructured(request.parts.get(0), request.map("arguments"));
        header.put("kind", body == null ? "none" : body instanceof byte[] ? "bytes" : "text");
        return new Frame(header, Collections.singletonList(Reflection.bytes(body)));
      default:
        throw new Failure("load", "unknown operation " + request.text("op"));
    }
  }
}

/** Makes the scorer that an artifact needs. */
final class Loader {
  private static final String PREDICTORS = "com.datarobot.prediction.Predictors";

  private Loader() {}

  static Scorer load(Frame request) throws Exception {
    Reflection.useClassPath((List<?>) request.header.get("class_path"));
    String className = request.text("class");
    String path = request.text("path");
    if (className != null) {
      return custom(Reflection.type(className), request.map("params"));
    }
    switch (request.text("kind")) {
      case "jar":
        return jar(path, request.map("params"));
      case "zip":
        return new H2oScorer(Reflection.call(Reflection.type("hex.genmodel.MojoModel"), null, "load", path));
      case "java":
        return new H2oScorer(Pojo.load(Path.of(path)));
      case "mojo":
        return new PipelineScorer(path);
      default:
        throw new Failure("load", "unknown kind of artifact " + request.text("kind"));
    }
  }

  private static Scorer custom(Class<?> type, Map<String, Object> params) throws Exception {
    Object predictor = type.getDeclaredConstructor().newInstance();
    Method configure = Reflection.method(type, "configure", Map.class);
    if (configure != null) {
      configure.invoke(predictor, params);
    }
    return new CustomScorer(predictor);
  }

  private static Scorer jar(String path, Map<String, Object> params) throws Exception {
    boolean hasFactory = contains(path, PREDICTORS);
    Class<?> found = hasFactory ? null : find(path);
    if (found == null && Reflection.typeOrNull(PREDICTORS) != null) {
      return new CodeScorer(Reflection.call(Reflection.type(PREDICTORS), null, "getPredictor"));
    }
    if (found == null) {
      throw new Failure("load", "no class in " + path + " is a predictor: it must implement an interface of "
          + "com.datarobot.prediction, or have a constructor without arguments and a method predict(byte[]); "
          + "name the class in DRUM_JAVA_CUSTOM_PREDICTOR_CLASS if it is elsewhere");
    }
    return scorer(found, params);
  }

  private static Scorer scorer(Class<?> type, Map<String, Object> params) throws Exception {
    if (Reflection.method(type, "predict", byte[].class) != null) {
      return custom(type, params);
    }
    return new CodeScorer(type.getDeclaredConstructor().newInstance());
  }

  private static boolean contains(String path, String className) throws IOException {
    try (JarFile jar = new JarFile(path)) {
      return jar.getEntry(className.replace('.', '/') + ".class") != null;
    }
  }

  /** The only class of the jar that can be used as a predictor; null when there is none. */
  private static Class<?> find(String path) throws Exception {
    List<Class<?>> found = new ArrayList<>();
    try (JarFile jar = new JarFile(path)) {
      for (JarEntry entry : Collections.list(jar.entries())) {
        String name = entry.getName();
        if (name.endsWith(".class") && !name.startsWith("META-INF/")) {
          Class<?> type = Reflection.typeOrNull(name.substring(0, name.length() - 6).replace('/', '.'));
          if (type != null && isPredictor(type)) {
            found.add(type);
          }
        }
      }
    }
    if (found.size() > 1) {
      throw new Failure("load",
          "several classes in " + path + " are predictors: " + found + "; name one in DRUM_JAVA_CUSTOM_PREDICTOR_CLASS");
    }
    return found.isEmpty() ? null : found.get(0);
  }

  private static boolean isPredictor(Class<?> type) {
    if (type.isInterface() || Modifier.isAbstract(type.getModifiers()) || !Modifier.isPublic(type.getModifiers())) {
      return false;
    }
    try {
      type.getConstructor();
    } catch (NoSuchMethodException | LinkageError error) {
      return false;
    }
    return CodeScorer.isRegression(type) || CodeScorer.isClassification(type)
        || Reflection.method(type, "predict", byte[].class) != null;
  }
}

/** A class of the model's author. */
final class CustomScorer implements Scorer {
  private final Object predictor;

  CustomScorer(Object predictor) throws Failure {
    this.predictor = predictor;
    if (Reflection.method(predictor.getClass(), "predict", byte[].class) == null && !answersUnstructured()) {
      throw new Failure("load", predictor.getClass().getName() + " has no method predict(byte[])");
    }
  }

  @Override
  public byte[] predict(byte[] csv) throws Exception {
    Method method = Reflection.method(predictor.getClass(), "predict", byte[].class);
    if (method == null) {
      throw new Failure("output", predictor.getClass().getName() + " has no method predict(byte[])");
    }
    return Reflection.bytes(method.invoke(predictor, csv));
  }

  @Override
  public boolean answersUnstructured() {
    return unstructured() != null;
  }

  @Override
  public Object predictUnstructured(byte[] data, Map<String, Object> arguments) throws Exception {
    Method method = unstructured();
    Object[] all = {
      data, arguments.get("mimetype"), arguments.get("charset"), arguments.get("query"), arguments.get("headers")
    };
    return method.invoke(predictor, Arrays.copyOf(all, method.getParameterCount()));
  }

  /** predictUnstructured(byte[] data, String mimetype, String charset, Map query, Map headers), or fewer of these. */
  private Method unstructured() {
    for (Method method : predictor.getClass().getMethods()) {
      Class<?>[] types = method.getParameterTypes();
      if (method.getName().equals("predictUnstructured") && types.length > 0 && types.length < 6
          && types[0] == byte[].class) {
        method.trySetAccessible();
        return method;
      }
    }
    return null;
  }
}

/** Scoring code of DataRobot: classes behind the interfaces of com.datarobot.prediction. */
final class CodeScorer implements Scorer {
  private static final String PACKAGE = "com.datarobot.prediction.";

  private final Object predictor;
  private final boolean isClassification;
  private final Method score;
  private final Map<String, Class<?>> features;

  CodeScorer(Object predictor) throws Exception {
    this.predictor = predictor;
    Class<?> type = predictor.getClass();
    isClassification = isClassification(type);
    if (!isClassification && !isRegression(type)) {
      throw new Failure("load", type.getName() + " implements neither IRegressionPredictor nor IClassificationPredictor");
    }
    score = Reflection.method(type, "score", Map.class);
    features = features();
  }

  static boolean isRegression(Class<?> type) {
    return Reflection.isKindOf(type, PACKAGE + "IRegressionPredictor");
  }

  static boolean isClassification(Class<?> type) {
    return Reflection.isKindOf(type, PACKAGE + "IClassificationPredictor");
  }

  @SuppressWarnings("unchecked")
  private Map<String, Class<?>> features() throws Exception {
    Method method = Reflection.method(predictor.getClass(), "getFeatures");
    return method == null ? Collections.emptyMap() : (Map<String, Class<?>>) method.invoke(predictor);
  }

  @Override
  public byte[] predict(byte[] csv) throws Exception {
    Table table = Table.parse(csv);
    table.require(features.keySet());
    String[] labels = null;
    if (isClassification) {
      labels = (String[]) Reflection.call(predictor.getClass(), predictor, "getClassLabels");
    }
    Table answer = new Table(labels == null ? Collections.singletonList("Predictions") : Arrays.asList(labels));
    for (int at = 0; at < table.rows.size(); at++) {
      Object result = score.invoke(predictor, row(table, at));
      answer.rows.add(labels == null ? new String[] {result.toString()} : probabilities((Map<?, ?>) result, labels));
    }
    return answer.format();
  }

  private Map<String, Object> row(Table table, int at) throws Failure {
    Map<String, Object> row = new HashMap<>();
    for (int column = 0; column < table.names.size(); column++) {
      String name = table.names.get(column);
      row.put(name, value(table, at, column, features.get(name)));
    }
    return row;
  }

  private static Object value(Table table, int at, int column, Class<?> type) throws Failure {
    String text = table.cell(at, column);
    if (type != null && !Number.class.isAssignableFrom(type)) {
      return text.isEmpty() ? null : text;
    }
    if (Table.isMissing(text)) {
      return null;
    }
    try {
      return Double.valueOf(text.trim());
    } catch (NumberFormatException error) {
      if (type == null) {
        return text;
      }
      throw new Failure("input", "row " + (at + 1) + " has no number in column '" + table.names.get(column) + "'");
    }
  }

  private static String[] probabilities(Map<?, ?> result, String[] labels) throws Failure {
    String[] row = new String[labels.length];
    for (int at = 0; at < labels.length; at++) {
      if (!result.containsKey(labels[at])) {
        throw new Failure("output", "the model gave no probability for its label '" + labels[at] + "'");
      }
      row[at] = String.valueOf(result.get(labels[at]));
    }
    return row;
  }
}

/** H2O models, MOJO or POJO. */
final class H2oScorer implements Scorer {
  private static final String EASY = "hex.genmodel.easy.";

  private final Object wrapper;
  private final String category;
  private final Method predict;
  private final Map<String, Set<String>> domains = new HashMap<>();
  private final Set<String> features = new LinkedHashSet<>();
  private final String[] labels;

  H2oScorer(Object model) throws Exception {
    Class<?> configType = Reflection.type(EASY + "EasyPredictModelWrapper$Config");
    Object config = configType.getDeclaredConstructor().newInstance();
    configType.getMethod("setModel", Reflection.type("hex.genmodel.GenModel")).invoke(config, model);
    // as H2O itself does; without it a level that was not in the training data is an error
    configType.getMethod("setConvertUnknownCategoricalLevelsToNa", boolean.class).invoke(config, true);
    Class<?> type = Reflection.type(EASY + "EasyPredictModelWrapper");
    wrapper = type.getConstructor(configType).newInstance(config);
    predict = type.getMethod("predict", Reflection.type(EASY + "RowData"));
    category = Reflection.call(type, wrapper, "getModelCategory").toString();
    boolean isClassification = Set.of("Binomial", "Multinomial", "Ordinal").contains(category);
    labels = isClassification ? (String[]) Reflection.call(type, wrapper, "getResponseDomainValues") : null;
    learnFeatures(model);
  }

  private void learnFeatures(Object model) throws Exception {
    Class<?> type = model.getClass();
    boolean isSupervised = (Boolean) Reflection.call(type, model, "isSupervised");
    String response = isSupervised ? (String) Reflection.call(type, model, "getResponseName") : null;
    String[] names = (String[]) Reflection.call(type, model, "getNames");
    String[][] values = (String[][]) Reflection.call(type, model, "getDomainValues");
    for (int at = 0; at < names.length; at++) {
      if (!names[at].equals(response)) {
        features.add(names[at]);
        domains.put(names[at], values[at] == null ? Collections.emptySet() : Set.of(values[at]));
      }
    }
  }

  @Override
  public byte[] predict(byte[] csv) throws Exception {
    Table table = Table.parse(csv);
    table.require(features);
    Table answer = new Table(labels == null ? Collections.singletonList("Predictions") : Arrays.asList(labels));
    for (int at = 0; at < table.rows.size(); at++) {
      answer.rows.add(answerOf(predict.invoke(wrapper, row(table, at))));
    }
    return answer.format();
  }

  @SuppressWarnings("unchecked")
  private Object row(Table table, int at) throws Exception {
    Map<String, Object> row =
        (Map<String, Object>) Reflection.type(EASY + "RowData").getDeclaredConstructor().newInstance();
    for (int column = 0; column < table.names.size(); column++) {
      String name = table.names.get(column);
      String text = table.cell(at, column);
      Set<String> domain = domains.get(name);
      // what is left out counts as missing
      if (domain != null && (!Table.isMissing(text) || domain.contains(text))) {
        row.put(name, text);
      }
    }
    return row;
  }

  private String[] answerOf(Object prediction) throws Exception {
    Class<?> type = prediction.getClass();
    if (labels != null) {
      double[] values = (double[]) type.getField("classProbabilities").get(prediction);
      return Arrays.stream(values).mapToObj(Double::toString).toArray(String[]::new);
    }
    String field = category.equals("Regression") ? "value" : category.equals("AnomalyDetection") ? "normalizedScore" : null;
    if (field == null) {
      throw new Failure("output", "H2O models of the category " + category + " cannot be scored");
    }
    return new String[] {type.getField(field).get(prediction).toString()};
  }
}

/** A model as Java source, as H2O writes it. */
final class Pojo {
  private Pojo() {}

  static Object load(Path source) throws Exception {
    javax.tools.JavaCompiler compiler = javax.tools.ToolProvider.getSystemJavaCompiler();
    Path folder = Files.createTempDirectory("drum-pojo");
    ByteArrayOutputStream errors = new ByteArrayOutputStream();
    String[] options = {"-nowarn", "-proc:none", "-cp", Reflection.classPath(), "-d", folder.toString()};
    List<String> arguments = new ArrayList<>(Arrays.asList(options));
    arguments.add(source.toString());
    try {
      if (compiler.run(null, null, errors, arguments.toArray(new String[0])) != 0) {
        throw new Failure("load", "cannot compile " + source + ":\n" + errors.toString(StandardCharsets.UTF_8));
      }
      String name = source.getFileName().toString();
      URL[] urls = {folder.toUri().toURL()};
      ClassLoader loader = new URLClassLoader(urls, Reflection.loader());
      Object model = Class.forName(name.substring(0, name.lastIndexOf('.')), true, loader)
          .getDeclaredConstructor().newInstance();
      // nested classes would be loaded when they are first used, and then the files are gone
      loadAll(folder, loader);
      return model;
    } finally {
      for (File file : folder.toFile().listFiles()) {
        file.delete();
      }
      folder.toFile().delete();
    }
  }

  private static void loadAll(Path folder, ClassLoader loader) throws ClassNotFoundException {
    for (String name : folder.toFile().list()) {
      Class.forName(name.substring(0, name.length() - ".class".length()), true, loader);
    }
  }
}

/** A pipeline of Driverless AI; its runtime and a licence come from the user. */
final class PipelineScorer implements Scorer {
  private final Object pipeline;
  private final Class<?> type;

  PipelineScorer(String path) throws Exception {
    type = Reflection.type("ai.h2o.mojos.runtime.MojoPipeline");
    pipeline = Reflection.call(type, null, "loadFrom", path);
  }

  @Override
  public byte[] predict(byte[] csv) throws Exception {
    Table table = Table.parse(csv);
    Object frames = Reflection.call(type, pipeline, "getInputFrameBuilder");
    Set<String> columns = new LinkedHashSet<>(
        Arrays.asList((String[]) Reflection.on(Reflection.call(type, pipeline, "getInputMeta"), "getColumnNames")));
    table.require(columns);
    for (int at = 0; at < table.rows.size(); at++) {
      Object row = Reflection.on(frames, "getMojoRowBuilder");
      for (int column = 0; column < table.names.size(); column++) {
        if (columns.contains(table.names.get(column)) && !Table.isMissing(table.cell(at, column))) {
          Reflection.on(row, "setValue", table.names.get(column), table.cell(at, column));
        }
      }
      Reflection.on(frames, "addRow", row);
    }
    Object answer = Reflection.on(pipeline, "transform", Reflection.on(frames, "toMojoFrame"));
    return format(answer, table.rows.size());
  }

  private static byte[] format(Object answer, int rows) throws Exception {
    String[] names = (String[]) Reflection.on(answer, "getColumnNames");
    List<String> labels = new ArrayList<>();
    List<Object> columns = new ArrayList<>();
    for (int at = 0; at < names.length; at++) {
      // a class is named `target.label`
      labels.add(names.length == 1 ? "Predictions" : names[at].substring(names[at].indexOf('.') + 1));
      columns.add(Reflection.on(answer, "getColumnData", at));
    }
    Table table = new Table(labels);
    for (int row = 0; row < rows; row++) {
      String[] cells = new String[names.length];
      for (int at = 0; at < cells.length; at++) {
        cells[at] = String.valueOf(java.lang.reflect.Array.get(columns.get(at), row));
      }
      table.rows.add(cells);
    }
    return table.format();
  }
}

/** Calls of what is not known when this file is compiled. */
final class Reflection {
  private static List<String> paths = Collections.emptyList();

  private Reflection() {}

  /** Look for classes in these jars and folders from now on. */
  static void useClassPath(List<?> entries) throws IOException {
    paths = new ArrayList<>();
    URL[] urls = new URL[entries.size()];
    for (int at = 0; at < urls.length; at++) {
      paths.add(entries.get(at).toString());
      urls[at] = new File(paths.get(at)).toURI().toURL();
    }
    Thread.currentThread().setContextClassLoader(new URLClassLoader(urls, ClassLoader.getPlatformClassLoader()));
  }

  static ClassLoader loader() {
    return Thread.currentThread().getContextClassLoader();
  }

  static String classPath() {
    return String.join(File.pathSeparator, paths);
  }

  static Class<?> type(String name) throws Failure {
    Class<?> found = typeOrNull(name);
    if (found == null) {
      throw new Failure("load", "the class " + name + " is not on the class path; add its jar to "
          + "DRUM_JAVA_CUSTOM_CLASS_PATH");
    }
    return found;
  }

  static Class<?> typeOrNull(String name) {
    try {
      return Class.forName(name, false, loader());
    } catch (ClassNotFoundException | LinkageError error) {
      return null;
    }
  }

  static Method method(Class<?> type, String name, Class<?>... types) {
    try {
      Method method = type.getMethod(name, types);
      method.trySetAccessible();
      return method;
    } catch (NoSuchMethodException | LinkageError error) {
      return null;
    }
  }

  static Object on(Object target, String name, Object... arguments) throws Exception {
    return call(target.getClass(), target, name, arguments);
  }

  /** Call a public method by name, with arguments that decide between overloads. */
  static Object call(Class<?> type, Object target, String name, Object... arguments) throws Exception {
    for (Method method : type.getMethods()) {
      if (method.getName().equals(name) && accepts(method.getParameterTypes(), arguments)) {
        method.trySetAccessible();
        return method.invoke(target, arguments);
      }
    }
    throw new NoSuchMethodException(type.getName() + "." + name);
  }

  private static boolean accepts(Class<?>[] types, Object[] arguments) {
    if (types.length != arguments.length) {
      return false;
    }
    for (int at = 0; at < types.length; at++) {
      boolean isInt = types[at] == int.class && arguments[at] instanceof Integer;
      if (!isInt && !types[at].isInstance(arguments[at])) {
        return false;
      }
    }
    return true;
  }

  static boolean isKindOf(Class<?> type, String name) {
    if (type == null) {
      return false;
    }
    if (type.getName().equals(name) || isKindOf(type.getSuperclass(), name)) {
      return true;
    }
    return Arrays.stream(type.getInterfaces()).anyMatch(own -> isKindOf(own, name));
  }

  static byte[] bytes(Object body) throws Failure {
    if (body == null) {
      return new byte[0];
    }
    if (body instanceof byte[]) {
      return (byte[]) body;
    }
    if (body instanceof CharSequence) {
      return body.toString().getBytes(StandardCharsets.UTF_8);
    }
    throw new Failure("output", "the Java model returned a " + body.getClass().getName() + "; return a String or byte[]");
  }
}

/** A table of texts, read from CSV and written as CSV. */
final class Table {
  private static final Set<String> MISSING = Set.of("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>");

  final List<String> names;
  final List<String[]> rows = new ArrayList<>();

  Table(List<String> names) {
    this.names = names;
  }

  static boolean isMissing(String text) {
    return MISSING.contains(text);
  }

  String cell(int row, int column) {
    String[] cells = rows.get(row);
    return column < cells.length ? cells[column] : "";
  }

  void require(Set<String> wanted) throws Failure {
    List<String> missing = new ArrayList<>(wanted);
    missing.removeAll(names);
    if (!missing.isEmpty()) {
      throw new Failure("input", "columns that the model needs are missing: " + missing + "; the input has " + names);
    }
  }

  static Table parse(byte[] data) throws Failure {
    String text = new String(data, StandardCharsets.UTF_8);
    Table table = null;
    List<String> record = new ArrayList<>();
    StringBuilder cell = new StringBuilder();
    boolean isQuoted = false;
    boolean hasQuotes = false;
    int at = text.startsWith("\ufeff") ? 1 : 0;
    for (; at <= text.length(); at++) {
      char c = at < text.length() ? text.charAt(at) : '\n';
      if (isQuoted && at < text.length()) {
        if (c != '"') {
          cell.append(c);
        } else if (at + 1 < text.length() && text.charAt(at + 1) == '"') {
          cell.append(c);
          at++;
        } else {
          isQuoted = false;
        }
      } else if (c == '"' && cell.length() == 0) {
        isQuoted = true;
        hasQuotes = true;
      } else if (c == ',') {
        record.add(cell.toString());
        cell.setLength(0);
      } else if (c == '\n' || c == '\r') {
        if (c == '\r' && at + 1 < text.length() && text.charAt(at + 1) == '\n') {
          at++;
        }
        boolean isBlank = record.isEmpty() && cell.length() == 0 && !hasQuotes;
        // in a table of one column a blank line is a missing value, but not after the last line
        if (!isBlank || table != null && table.names.size() == 1 && at < text.length()) {
          record.add(cell.toString());
          table = added(table, record);
        }
        record = new ArrayList<>();
        cell.setLength(0);
        hasQuotes = false;
      } else {
        cell.append(c);
      }
    }
    if (table == null) {
      throw new Failure("input", "No columns to parse from file");
    }
    return table;
  }

  private static Table added(Table table, List<String> record) {
    if (table == null) {
      return new Table(record);
    }
    table.rows.add(record.toArray(new String[0]));
    return table;
  }

  byte[] format() {
    StringBuilder text = new StringBuilder();
    formatRow(text, names.toArray(new String[0]));
    for (String[] row : rows) {
      formatRow(text, row);
    }
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static void formatRow(StringBuilder text, String[] cells) {
    for (int at = 0; at < cells.length; at++) {
      boolean needsQuotes = cells[at].matches("(?s).*[\",\r\n].*") || cells[at].isEmpty();
      text.append(at == 0 ? "" : ",");
      text.append(needsQuotes ? '"' + cells[at].replace("\"", "\"\"") + '"' : cells[at]);
    }
    text.append('\n');
  }
}

/** As much JSON as headers need. */
final class Json {
  private final String text;
  private int at;

  private Json(String text) {
    this.text = text;
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> parse(String text) {
    return (Map<String, Object>) new Json(text).value();
  }

  private Object value() {
    char c = text.charAt(at);
    if (c == '{') {
      return object();
    }
    if (c == '[') {
      return array();
    }
    return c == '"' ? string() : word();
  }

  private Map<String, Object> object() {
    Map<String, Object> values = new LinkedHashMap<>();
    at++;
    while (text.charAt(at) != '}') {
      at += text.charAt(at) == ',' ? 1 : 0;
      String name = string();
      at++;
      values.put(name, value());
    }
    at++;
    return values;
  }

  private List<Object> array() {
    List<Object> values = new ArrayList<>();
    at++;
    while (text.charAt(at) != ']') {
      at += text.charAt(at) == ',' ? 1 : 0;
      values.add(value());
    }
    at++;
    return values;
  }

  private String string() {
    StringBuilder found = new StringBuilder();
    for (at++; text.charAt(at) != '"'; at++) {
      char c = text.charAt(at);
      found.append(c == '\\' ? escaped() : c);
    }
    at++;
    return found.toString();
  }

  private char escaped() {
    char c = text.charAt(++at);
    if (c == 'u') {
      at += 4;
      return (char) Integer.parseInt(text.substring(at - 3, at + 1), 16);
    }
    int known = "ntrbf".indexOf(c);
    return known < 0 ? c : "\n\t\r\b\f".charAt(known);
  }

  private Object word() {
    int start = at;
    while (at < text.length() && ",]}".indexOf(text.charAt(at)) < 0) {
      at++;
    }
    String word = text.substring(start, at);
    switch (word) {
      case "true":
        return true;
      case "false":
        return false;
      case "null":
        return null;
      default:
        return Double.valueOf(word);
    }
  }

  static String format(Object value) {
    if (value instanceof Map) {
      List<String> fields = new ArrayList<>();
      ((Map<?, ?>) value).forEach((name, field) -> fields.add(quote(name.toString()) + ":" + format(field)));
      return "{" + String.join(",", fields) + "}";
    }
    if (value instanceof List) {
      List<String> items = new ArrayList<>();
      ((List<?>) value).forEach(item -> items.add(format(item)));
      return "[" + String.join(",", items) + "]";
    }
    return value instanceof CharSequence ? quote(value.toString()) : String.valueOf(value);
  }

  private static String quote(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        quoted.append('\\').append(c);
      } else if (c < ' ') {
        quoted.append(String.format("\\u%04x", (int) c));
      } else {
        quoted.append(c);
      }
    }
    return quoted.append('"').toString();
  }
}
