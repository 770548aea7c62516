// SPDX-License-Identifier: MIT
import java.nio.file.Path;
import java.util.Scanner;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.NumericDocValuesField;
import org.apache.lucene.document.StringField;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.CheckIndex;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.store.Directory;
import org.apache.lucene.store.LockObtainFailedException;
import org.apache.lucene.store.MMapDirectory;
import org.apache.lucene.store.NativeFSLockFactory;

// Works on one index, as lucene_test.py tells it: a line on standard input names a step, and
// "done" answers it.
final class LuceneTest implements AutoCloseable {
  private static final int BATCHES = 8;
  private static final int BATCH = 500;

  private final Directory directory;
  private IndexWriter writer;

  private LuceneTest(Path path) throws Exception {
    directory = new MMapDirectory(path, NativeFSLockFactory.INSTANCE);
  }

  public static void main(String[] arguments) throws Exception {
    try (LuceneTest test = new LuceneTest(Path.of(arguments[0]));
        Scanner steps = new Scanner(System.in)) {
      while (steps.hasNextLine()) {
        test.take(steps.nextLine());
        System.out.println("done");
      }
    }
  }

  private void take(String step) throws Exception {
    switch (step) {
      case "index" -> index();
      case "delete" -> delete();
      case "merge" -> merge();
      case "close" -> writer.close();
      case "find-locked" -> findLocked();
      case "check" -> checkIndex();
      default -> throw new IllegalArgumentException(step);
    }
  }

  @Override
  public void close() throws Exception {
    directory.close();
  }

  private static void require(boolean holds, String promise) {
    if (!holds) {
      throw new AssertionError(promise);
    }
  }

  private static Document document(int number) {
    Document made = new Document();
    made.add(new StringField("id", Integer.toString(number), Field.Store.YES));
    made.add(new StringField("tenth", Integer.toString(number % 10), Field.Store.NO));
    made.add(new TextField("text", "a document, number " + number, Field.Store.YES));
    made.add(new NumericDocValuesField("number", number));
    return made;
  }

  private IndexWriter openWriter() throws Exception {
    return new IndexWriter(directory, new IndexWriterConfig(new StandardAnalyzer()));
  }

  // A reader that was opened before keeps its view; one that follows sees each commit.
  private void index() throws Exception {
    writer = openWriter();
    writer.commit();
    DirectoryReader reader = DirectoryReader.open(directory);
    for (int batch = 0; batch < BATCHES; batch++) {
      for (int number = batch * BATCH; number < (batch + 1) * BATCH; number++) {
        writer.addDocument(document(number));
      }
      writer.commit();
      require(DirectoryReader.openIfChanged(reader, writer) != null, "a near-real-time reader");
      int before = reader.numDocs();
      require(before % BATCH == 0, "whole batches");
      DirectoryReader newer = DirectoryReader.openIfChanged(reader);
      reader.close();
      reader = newer;
      int now = reader.numDocs();
      require(now == before + BATCH, "the commit is seen");
    }
    reader.close();
  }

  private void delete() throws Exception {
    try (DirectoryReader before = DirectoryReader.open(directory)) {
      writer.deleteDocuments(new Term("tenth", "3"));
      writer.updateDocument(new Term("id", "1"), document(1));
      writer.commit();
      require(before.numDocs() == BATCHES * BATCH, "an open reader keeps its documents");
    }
  }

  private void merge() throws Exception {
    writer.forceMerge(1);
    writer.commit();
  }

  private void findLocked() throws Exception {
    try {
      openWriter().close();
    } catch (LockObtainFailedException expected) {
      return;
    }
    throw new AssertionError("a second writer opens the index");
  }

  private void checkIndex() throws Exception {
    try (CheckIndex check = new CheckIndex(directory)) {
      CheckIndex.Status status = check.checkIndex();
      require(status.clean, "a clean index");
      require(status.segmentInfos.size() == 1, "one segment after merging");
    }
    try (DirectoryReader reader = DirectoryReader.open(directory)) {
      IndexSearcher searcher = new IndexSearcher(reader);
      int all = searcher.count(new TermQuery(new Term("text", "document")));
      require(all == BATCHES * BATCH * 9 / 10, all + " documents");
      require(reader.numDocs() == all, "no others");
      int deleted = searcher.count(new TermQuery(new Term("tenth", "3")));
      require(deleted == 0, deleted + " that are deleted");
    }
  }
}
